"""The border to code of the project (hooks, serializers, querysets, filters), which may raise anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError

from celery_cqrs.database.faults import is_infrastructure

T = TypeVar("T")


def result_or_error(work: Callable[..., T], *args: Any, **kwargs: Any) -> T | Exception:
    """What ``work`` returns, or what it raises: settled with its own row, for it must not harm the neighbours.

    Raises only when a database of this project is in trouble, which is nobody's fault.
    """
    try:
        return work(*args, **kwargs)
    except Exception as error:
        if isinstance(error, DatabaseError | InterfaceError) and is_infrastructure(error):
            raise
        return error
