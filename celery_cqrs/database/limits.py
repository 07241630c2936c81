"""CQRS_QUERY_TIMEOUT: how long a statement may take while rows are applied, set in each database's own way.

It travels with the lock's statement (PostgreSQL, until the transaction ends) or with each statement itself (MariaDB and
MySQL), so that it costs no round trip and never outlives the batch. MySQL limits reading alone; SQLite knows no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from celery_cqrs import signals
from celery_cqrs.database.faults import is_timeout

LIMITABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "(")
UNLIMITED = ("sqlite",)
"""Databases that have no such limit."""


@contextmanager
def limiting(connection: Any, cqrs_id: str, limit_ms: int) -> Iterator[None]:
    """Announce what times out in this block, on MariaDB and MySQL after setting the limit; 0 ms is no limit."""
    if not limit_ms or connection.vendor in UNLIMITED:
        yield
        return
    with connection.execute_wrapper(Limit(connection, cqrs_id, limit_ms)):
        yield


@dataclass(frozen=True)
class Limit:
    """Runs the statements of a connection, each within ``limit_ms`` milliseconds."""

    connection: Any
    cqrs_id: str
    limit_ms: int

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Execute as Django does; a timeout is announced and raised."""
        limited = sql if many or self.connection.vendor != "mysql" else self._limited(sql)
        try:
            return execute(limited, params, many, context)
        except DatabaseError as error:
            if is_timeout(error):
                self._announce(str(sql))
            raise

    def _limited(self, sql: str) -> str:
        begin = sql.lstrip()
        if self.connection.mysql_is_mariadb and begin[:7].upper().startswith(LIMITABLE):
            return f"SET STATEMENT max_statement_time={self.limit_ms / 1000:.3f} FOR {begin}"
        if not self.connection.mysql_is_mariadb and begin[:7].upper() == "SELECT ":
            return f"SELECT /*+ MAX_EXECUTION_TIME({self.limit_ms}) */ {begin[7:]}"
        return sql

    def _announce(self, sql: str) -> None:
        facts = {"cqrs_id": self.cqrs_id, "sql": sql, "limit_ms": self.limit_ms, "using": self.connection.alias}
        signals.query_timed_out.send_robust(Limit, **facts)
