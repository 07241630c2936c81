"""Locks that last until the transaction ends: one per CQRS_ID for appliers, SQLite's write lock for claimers.

A lock is always a statement of its own, before anything is read: inside the statement that writes it would come too
late, since that statement's snapshot is older than the lock.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

from celery_cqrs.database.limits import limiting

ADVISORY_SPACE = 0x43515253  # "CQRS": keeps our advisory locks apart from everybody else's
READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
CHECK_AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"


@contextmanager
def write_transaction(using: str) -> Iterator[None]:
    """A transaction that holds SQLite's write lock from its first statement; elsewhere an ordinary one."""
    connection = connections[using]
    ensure_autocommit(connection)
    with transaction.atomic(using=using):
        if connection.vendor == "sqlite":
            _take_write_lock(connection)
        yield


@contextmanager
def applying(using: str, cqrs_id: str, *, exclusive: bool, limit_ms: int = 0) -> Iterator[None]:
    """A transaction that holds the lock of ``cqrs_id``: shared for SAVE and SYNC, exclusive with a DELETE.

    On PostgreSQL it reads committed rows, whatever the connection is set to, and checks foreign keys at once,
    so that a bad row fails in its own savepoint and not at COMMIT together with its neighbours. What comes after the
    lock may take ``limit_ms`` a statement (``limits.py``); on PostgreSQL not in a transaction of the caller's, which
    would keep the limit.
    """
    connection = connections[using]
    outermost = not connection.in_atomic_block
    ensure_autocommit(connection)
    with transaction.atomic(using=using):
        LOCKS[connection.vendor](connection, cqrs_id, exclusive, outermost, limit_ms)
        with limiting(connection, cqrs_id, limit_ms):
            yield


def defer_foreign_keys(using: str) -> None:
    """Within ``applying`` have foreign keys checked by ``check_foreign_keys``, where they can wait; SQLite's wait for
    the COMMIT by themselves.
    """
    if connections[using].vendor == "postgresql":
        _execute(connections[using], "SET CONSTRAINTS ALL DEFERRED")


def check_foreign_keys(using: str) -> None:
    """Check what ``defer_foreign_keys`` has left unchecked, and from now on at once. Raises IntegrityError."""
    if connections[using].vendor == "postgresql":
        _execute(connections[using], CHECK_AT_ONCE)


def ensure_autocommit(connection: Any) -> None:
    """With autocommit off a block neither begins nor commits, and nobody else commits what a worker does."""
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.commit()  # what was read before; PostgreSQL changes the mode only between transactions
        connection.set_autocommit(True)


def _lock_postgresql(connection: Any, cqrs_id: str, exclusive: bool, outermost: bool, limit_ms: int) -> None:
    """In one round trip, of which a single change has as many as a batch; each statement has a snapshot of its own."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    lock = f"SELECT {function}({ADVISORY_SPACE}, {zlib.crc32(cqrs_id.encode()) - 2**31})"
    limit = f", set_config('statement_timeout', '{limit_ms:d}', true)" if limit_ms and outermost else ""
    begin = [READ_COMMITTED] if outermost else []
    _execute(connection, "; ".join([*begin, lock + limit, CHECK_AT_ONCE]))


def _lock_mysql(connection: Any, cqrs_id: str, exclusive: bool, *_: Any) -> None:
    if _lock_row(connection, cqrs_id, exclusive):
        return
    _execute(connection, "INSERT IGNORE INTO celery_cqrs_lock (cqrs_id) VALUES (%s)", [cqrs_id])
    _lock_row(connection, cqrs_id, exclusive)


def _lock_row(connection: Any, cqrs_id: str, exclusive: bool) -> bool:
    mode = "FOR UPDATE" if exclusive else "LOCK IN SHARE MODE"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT cqrs_id FROM celery_cqrs_lock WHERE cqrs_id = %s {mode}", [cqrs_id])
        return cursor.fetchone() is not None


def _lock_sqlite(connection: Any, *_: Any) -> None:
    _take_write_lock(connection)


def _take_write_lock(connection: Any) -> None:
    """BEGIN IMMEDIATE for every Django: a write that comes first waits for the lock, after a read it fails at once."""
    _execute(connection, "DELETE FROM celery_cqrs_lock WHERE cqrs_id = ''")


def _execute(connection: Any, sql: str, parameters: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


LOCKS = {"postgresql": _lock_postgresql, "mysql": _lock_mysql, "sqlite": _lock_sqlite}
