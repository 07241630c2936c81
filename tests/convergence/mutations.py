"""Ways to spoil the replica on purpose, to show that a run would find it. They spoil the whole process."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created

from celery_cqrs import tombstones
from celery_cqrs.database import locks
from celery_cqrs.models import Tombstone
from celery_cqrs.replica import guard

GUARDS = (
    (re.compile(r"(DO UPDATE SET .*) WHERE \S+ <=? excluded\.\S+", re.DOTALL), r"\1"),
    (re.compile(r"IF\(\S+ <=? VALUES\(\S+\), (VALUES\(\S+\)), \S+\)"), r"\1"),
)


def without_guard() -> None:
    """Whatever comes is written: neither the comparison in Python nor the one in the statement is made."""
    guard.judge.__code__ = _never.__code__
    connection_created.connect(_unguard, weak=False)


def without_lock() -> None:
    """Batches of a model no longer wait for each other."""
    locks.LOCKS.update(dict.fromkeys(("postgresql", "mysql"), _no_lock))


def without_tombstones() -> None:
    """A replica forgets deletions at once."""
    remember = tombstones.remember

    def forget(using: str, side: str, cqrs_id: str, revisions: Any) -> None:
        if side == Tombstone.MASTER:
            remember(using, side, cqrs_id, revisions)

    tombstones.remember = forget


def _never(message: Any, row_revision: Any, tombstone: Any) -> None:
    return None


def _no_lock(*_: Any) -> None:
    return None


def _unguard(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_execute_unguarded)


def _execute_unguarded(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
    if "cqrs_revision" in sql:
        for pattern, replacement in GUARDS:
            sql = pattern.sub(replacement, sql)
    return execute(sql, parameters, many, context)


MUTATIONS: dict[str, Callable[[], None]] = {
    "no-guard": without_guard,
    "no-lock": without_lock,
    "no-tombstones": without_tombstones,
}
