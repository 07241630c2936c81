"""Which database errors say that a row refers to another one that is not there."""

from __future__ import annotations

from celery_cqrs.database.faults import causes

POSTGRESQL = "23503"
MYSQL = (1216, 1452)
SQLITE = "SQLITE_CONSTRAINT_FOREIGNKEY"


def breaks_foreign_key(error: BaseException) -> bool:
    """Whether ``error``, or what caused it, comes from a foreign key.

    On PostgreSQL and SQLite it may also say that a row cannot be deleted because others refer to it.
    """
    return any(_is_of_foreign_key(link) for link in causes(error))


def _is_of_foreign_key(error: BaseException) -> bool:
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    number = error.args[0] if error.args else None
    return sqlstate == POSTGRESQL or number in MYSQL or getattr(error, "sqlite_errorname", None) == SQLITE
