"""Digests computed by the database, a limited number of rows in each statement."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import BigIntegerField, Func, QuerySet, TextField

from celery_cqrs.reconcile.canonical import HASHES
from celery_cqrs.reconcile.digest import PORTION_ROWS, ZERO, Digest, Interval, digest_of_hash

Query = tuple[str, Sequence[Any]]
"""A SELECT and its parameters."""
LISTED = {
    "postgresql": "md5(string_agg(cqrs_line, ','))",
    "mysql": "MD5(GROUP_CONCAT(cqrs_line ORDER BY cqrs_key SEPARATOR ','))",
    "sqlite": "celery_cqrs_hash(group_concat(cqrs_line, ','))",
}
"""The hash of a list of lines, which the subquery gives in the order of their keys."""
LIST_BYTES = 128 * PORTION_ROWS
POSITIONS = {
    "postgresql": "('x' || left(md5({0}), 8))::bit(32)::bigint",
    "mysql": "CAST(CONV(LEFT(MD5({0}), 8), 16, 10) AS UNSIGNED)",
    "sqlite": "celery_cqrs_position({0})",
}
NO_LIMIT = 10**9
"""With a limit, PostgreSQL and MariaDB do not compute a hash anew for each of its parts."""


class Position(Func):
    """The position of a row in the scheme "hash", from its canonical key."""

    output_field = BigIntegerField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        """By the database's own md5."""
        key, parameters = compiler.compile(self.source_expressions[0])
        return POSITIONS[connection.vendor].format(key), parameters


class Hashed(Func):
    """The md5 of a text."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        """By the database's own md5."""
        text, parameters = compiler.compile(self.source_expressions[0])
        return HASHES[connection.vendor].format(text), parameters


def compiled(rows: QuerySet[Any]) -> Query:
    """``rows`` as SQL. Raises EmptyResultSet when Django knows that there are none."""
    sql, parameters = rows.query.get_compiler(using=rows.db).as_sql()
    return sql, parameters


def digest_of_interval(using: str, lines: Query, interval: Interval) -> Digest:
    """The digest of ``interval`` in the scheme "key"; ``lines`` selects ``cqrs_key`` and ``cqrs_line`` of all rows."""
    total, start = ZERO, interval.start
    while True:
        last, digest = first_rows(using, lines, Interval(start, interval.end))
        total += digest
        if digest.count < PORTION_ROWS:
            return total
        start = last + 1


def first_rows(using: str, lines: Query, interval: Interval, limit: int = PORTION_ROWS) -> tuple[Any, Digest]:
    """The first ``limit`` rows of ``interval``: the last of their keys, and their digest as one list."""
    connection, (sql, parameters) = connections[using], lines
    bounds = {"cqrs_key >= %s": interval.start, "cqrs_key < %s": interval.end}
    given = {text: bound for text, bound in bounds.items() if bound is not None}
    where = f"WHERE {' AND '.join(given)} " if given else ""
    portion = f"SELECT cqrs_key, cqrs_line FROM ({sql}) cqrs_rows {where}ORDER BY cqrs_key LIMIT {limit}"
    listed = LISTED[connection.vendor]
    ((count, last, hashed),) = _fetch(
        connection,
        f"SELECT COUNT(*), MAX(cqrs_key), {listed} FROM ({portion}) cqrs_portion",
        [*parameters, *given.values()],
    )
    return last, digest_of_hash(count, hashed)


def digests_of_page(page: QuerySet[Any], bounds: Sequence[int]) -> Iterator[tuple[int, Digest]]:
    """The rows of ``page`` by position: how many of ``bounds`` (in order) are not above it, and their digest.

    ``page`` selects ``cqrs_position`` and ``cqrs_hash``.
    """
    connection = connections[page.db]
    with suppress(EmptyResultSet):
        yield from FOLDS[connection.vendor](connection, compiled(page[:NO_LIMIT]), bounds)


def _fold_in_postgresql(connection: Any, page: Query, bounds: Sequence[int]) -> Iterator[tuple[int, Digest]]:
    array = "{" + ",".join(map(str, bounds)) + "}"
    low, high = (f"('x' || substr(cqrs_hash, {first}, 8))::bit(32)::bigint" for first in (1, 9))
    bucket = f"width_bucket(cqrs_position, '{array}'::bigint[])"
    return _folded(connection, page, bucket, low, high)


def _fold_in_mysql(connection: Any, page: Query, bounds: Sequence[int]) -> Iterator[tuple[int, Digest]]:
    low, high = (f"CAST(CONV(SUBSTR(cqrs_hash, {first}, 8), 16, 10) AS UNSIGNED)" for first in (1, 9))
    bucket = f"INTERVAL(cqrs_position, {', '.join(map(str, bounds))})"
    return _folded(connection, page, bucket, low, high)


def _folded(connection: Any, page: Query, bucket: str, low: str, high: str) -> Iterator[tuple[int, Digest]]:
    sql, parameters = page
    sums = f"SELECT {bucket}, COUNT(*), SUM({low}), SUM({high}) FROM ({sql}) cqrs_page GROUP BY 1"
    for number, *parts in _fetch(connection, sums, parameters):
        yield int(number), Digest(*map(int, parts))


def _fold_by_python(connection: Any, page: Query, bounds: Sequence[int]) -> Iterator[tuple[int, Digest]]:
    for position, hashed in _fetch(connection, *page):
        yield bisect_right(bounds, position), digest_of_hash(1, hashed)


FOLDS: dict[str, Callable[[Any, Query, Sequence[int]], Iterable[tuple[int, Digest]]]] = {
    "postgresql": _fold_in_postgresql,
    "mysql": _fold_in_mysql,
    "sqlite": _fold_by_python,
}


def _fetch(connection: Any, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_with_long_lists(connection, sql), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _with_long_lists(connection: Any, sql: str) -> str:
    """MariaDB and MySQL would cut lists of lines off."""
    if connection.vendor != "mysql":
        return sql
    if connection.mysql_is_mariadb:
        return f"SET STATEMENT group_concat_max_len = {LIST_BYTES} FOR {sql}"
    return sql.replace("SELECT ", f"SELECT /*+ SET_VAR(group_concat_max_len = {LIST_BYTES}) */ ", 1)
