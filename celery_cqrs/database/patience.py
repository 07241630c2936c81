"""Waits for a database that is away or busy: other tasks would fail too, and requeueing in a loop loses messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connections

from celery_cqrs.database.faults import is_infrastructure

T = TypeVar("T")
PATIENCE_SECONDS = 20.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0


def patiently(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call ``work``, again after infrastructure faults, for about ``PATIENCE_SECONDS``; then the fault is raised."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wait_seconds = FIRST_WAIT_SECONDS
    while True:
        in_transaction = refresh_connections()
        try:
            return work(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            if in_transaction or not is_infrastructure(error) or time.monotonic() + wait_seconds > deadline:
                raise
        time.sleep(wait_seconds)
        wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)


def refresh_connections() -> bool:
    """Close connections that broke or grew old, as Django does between requests; whether a transaction is open.

    In an open transaction, a test's for example, nothing is closed, and waiting would be in vain: a fault ends it.
    """
    opened = connections.all(initialized_only=True)
    for connection in opened:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
    return any(connection.in_atomic_block for connection in opened)
