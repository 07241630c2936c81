"""A replica model whose rows may kill the process that wants to write them, and a process that may die of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db import connections

from tests.app.models import AuthorRef
from tests.receive.wire import message

WORSE = "deadly"
MISSING = "no such author"


class Fragile(AuthorRef):
    """Dies of a name with WORSE in it. One that begins with MISSING just fails until author 999 is there."""

    CQRS_ID = "fragile"

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, **kwargs: Any) -> Any:
        if mapped_data["name"].startswith(MISSING) and not AuthorRef.objects.filter(pk=999).exists():
            raise LookupError(MISSING)
        if WORSE in mapped_data["name"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().cqrs_create(sync, mapped_data, **kwargs)


def fragile(pk: int, name: str = "harmless") -> dict[str, Any]:
    """The SAVE of an author who may be deadly."""
    return message("fragile", pk, name=name, born=None, rival=None)


def dies(work: Callable[..., Any], *arguments: Any, **keywords: Any) -> bool:
    """Whether a process that does ``work`` is killed; what it commits before is committed."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            work(*arguments, **keywords)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
