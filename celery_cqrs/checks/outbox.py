"""The cap of the outbox, which nobody enforces but people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage

from celery_cqrs.checks.problems import warning
from celery_cqrs.database import tables
from celery_cqrs.master.backlog import find_overfull
from celery_cqrs.models import Outbox


def check_outbox(app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """That on ``databases`` no queue has more rows than ``outbox_max_rows``; Django names none unless asked to look."""
    if not databases or sys.argv[1:2] == ["migrate"]:
        return []
    overfull = [one for using in tables.aliases(Outbox) if using in databases for one in find_overfull(using)]
    return [
        warning(
            10,
            f"more than {one.limit} changes of {one.using!r} wait for {one.queue!r}.",
            "Start its worker, or give it up.",
        )
        for one in overfull
    ]
