"""Which database errors are the infrastructure's fault and not the row's, so that no message is blamed for them.

Django's classes do not tell (an OperationalError may be a timeout or a full disk); SQLSTATEs and error numbers do.
What is not listed here spends an attempt. A full disk is listed, since no letter could be written either; memory that
ran out and a statement's own timeout are not, since one huge row may be their cause, and would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import Error, InterfaceError

POSTGRESQL = {
    "08": "the connection failed (the whole class)",
    "25006": "the server is read-only, as after a failover",
    "25P03": "the session was ended because its transaction was idle",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "53100": "the disk is full",
    "53300": "too many connections",
    "55P03": "the lock was not available, also after lock_timeout",
    "57P01": "an administrator ended the session",
    "57P02": "the server crashed",
    "57P03": "the server is starting, stopping or recovering",
    "57P05": "the idle session was ended",
}
MYSQL = {
    1020: "the record has changed since it was read (snapshot isolation)",
    1021: "the disk is full",
    1040: "too many connections",
    1047: "the node is not ready (Galera)",
    1053: "the server is stopping",
    1114: "the table is full, for want of space",
    1203: "too many connections of this user",
    1205: "lock wait timeout",
    1213: "deadlock",
    1290: "the server is read-only",
    1792: "the transaction is read-only, as after a failover",
    1836: "the server is read-only (MySQL)",
    1927: "the connection was killed",
    2002: "the server cannot be reached",
    2003: "the server cannot be reached",
    2006: "the server has gone away",
    2013: "the connection was lost during a query",
    3572: "the lock was not available (MySQL, NOWAIT)",
    4031: "the idle session was ended (MySQL)",
}
SQLITE = {
    "SQLITE_BUSY": "another connection writes",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_LOCKED": "another connection has locked the table",
    "SQLITE_READONLY": "the file may not be written",
}
"""Of SQLite the beginning of the name counts, since most have variants (SQLITE_BUSY_SNAPSHOT)."""

TIMED_OUT = ("57014", 1969, 3024)
"""A statement took longer than it may: PostgreSQL (also when a person cancels it), MariaDB, MySQL."""


def is_infrastructure(error: BaseException) -> bool:
    """Whether ``error``, or what caused it, says that the database was not there or not free."""
    return any(_blames_infrastructure(link) for link in causes(error))


def is_timeout(error: BaseException) -> bool:
    """Whether a statement was ended because it took too long, which is the row's own failure."""
    return any(_code(link) in TIMED_OUT for link in causes(error))


def _code(error: BaseException) -> Any:
    """SQLSTATE or error number, as the driver gives it."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or (error.args[0] if error.args else None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it was raised from, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _blames_infrastructure(error: BaseException) -> bool:
    if isinstance(error, InterfaceError) and "closed" in str(error):
        return True
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(sqlstate, str):
        return sqlstate in POSTGRESQL or sqlstate[:2] in POSTGRESQL
    return _is_lost_postgresql(error) or _is_mysql(error) or _is_sqlite(error)


def _is_lost_postgresql(error: BaseException) -> bool:
    """psycopg reports a connection that broke or was refused as an OperationalError without an SQLSTATE."""
    return type(error).__module__.startswith("psycopg") and type(error).__name__ == "OperationalError"


def _is_mysql(error: BaseException) -> bool:
    """PyMySQL reports a connection that it has closed itself as an InterfaceError with the number 0."""
    number = error.args[0] if error.args else None
    is_driver = type(error).__module__.startswith(("pymysql", "MySQLdb")) or isinstance(error, Error)
    is_closed = number == 0 and "Interface" in type(error).__name__
    return is_driver and isinstance(number, int) and (number in MYSQL or is_closed)


def _is_sqlite(error: BaseException) -> bool:
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(tuple(SQLITE))
