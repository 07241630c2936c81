"""Connections that live for as long as CONN_MAX_AGE says, from task to task: Celery closes them after every one.

A new connection costs PostgreSQL a process, and a batch several milliseconds, more than many rows do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from celery_cqrs.database.patience import refresh_connections


class _Kept(threading.local):
    """What this thread has put away, by alias."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}


_kept = _Kept()
_is_wanted = False


def want_kept_connections() -> None:
    """From now on, in this process and its children, whose threads go from task to task."""
    global _is_wanted
    _is_wanted = True


@contextmanager
def kept_connections() -> Iterator[None]:
    """Inside are the connections of this thread's last such task, as far as they still work and are not too old.

    Those of other tasks are left to Celery.
    """
    _take_out()
    refresh_connections()
    try:
        yield
    finally:
        if _is_wanted:
            refresh_connections()
            _put_away()


def _take_out() -> None:
    while _kept.connections:
        alias, connection = _kept.connections.popitem()
        if connections[alias].connection is None:
            connections[alias] = connection
        else:
            connection.close()


def _put_away() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.in_atomic_block:
            _kept.connections[connection.alias] = connection
            del connections[connection.alias]
