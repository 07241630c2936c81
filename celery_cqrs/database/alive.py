"""Signs of life: a lock over a connection of its own, which ends with its process, however that ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

Statement = tuple[str, list[Any]]
SPACE = 0x43515254  # beside that of the locks of models
HELD = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted"


@contextmanager
def sign_of_life(using: str) -> Iterator[int | None]:
    """Inside, ``is_alive`` is true of this number, everywhere; None where a database has no such locks (SQLite)."""
    connection = connections[using]
    if connection.vendor not in TAKES:
        yield None
        return
    number = random.randrange(1, 2**31)
    own = connection.copy()  # not one of Django's: nobody closes it meanwhile
    try:
        _execute(own, TAKES[own.vendor](number))
        yield number
    finally:
        own.close()


def is_alive(using: str, number: int | None) -> bool:
    """Whether the process that got this number from ``sign_of_life`` is still inside."""
    connection = connections[using]
    if number is None or connection.vendor not in ASKS:
        return False
    return _execute(connection, ASKS[connection.vendor](number)) is not None


def _execute(connection: Any, statement: Statement) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return cursor.fetchone()


def _lock_of(number: int) -> str:
    return f"celery_cqrs.{number}"


TAKES: dict[str, Callable[[int], Statement]] = {
    "postgresql": lambda number: ("SELECT pg_advisory_lock(%s, %s)", [SPACE, number]),
    "mysql": lambda number: ("SELECT GET_LOCK(%s, 0)", [_lock_of(number)]),
}
ASKS: dict[str, Callable[[int], Statement]] = {
    "postgresql": lambda number: (HELD, [SPACE, number]),
    "mysql": lambda number: ("SELECT 1 FROM DUAL WHERE IS_USED_LOCK(%s) IS NOT NULL", [_lock_of(number)]),
}
