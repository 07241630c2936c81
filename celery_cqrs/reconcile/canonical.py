"""Canonical texts made by the databases themselves: for each of them, how it writes a value of each kind.

What is not in these tables is written by Python, from the values as the models give them (see ``kinds.py``). Both ways
give the same text: ``tests/reconcile/vectors.json`` says which, and every database must give it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import F, FileField, Func, TextField

from celery_cqrs.reconcile.digest import hash_of, position_of
from celery_cqrs.reconcile.kinds import INTEGER, NAMES, SQLITE_DIGITS, TEXT, decimal_text, known_class, stored_field

FILE = "file"
"""A text that is empty where there is none."""
TEXTS = (TEXT, FILE)
POSTGRESQL = {
    INTEGER: "{0}::text",
    TEXT: "{0}::text",
    FILE: "coalesce({0}, '')::text",
    "boolean": "{0}::int::text",
    "uuid": "replace({0}::text, '-', '')",
    "date": "to_char({0}, 'YYYY-MM-DD')",
    "moment": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    "time": "to_char({0}::interval, 'HH24:MI:SS.US')",
    "decimal": "CASE WHEN scale({0}) > 0 THEN rtrim(rtrim({0}::text, '0'), '.') ELSE {0}::text END",
    "binary": "encode({0}, 'hex')",
    "address": "abbrev({0})",
}
MYSQL = {
    INTEGER: "CAST({0} AS CHAR)",
    TEXT: "CONVERT({0} USING utf8mb4)",
    FILE: "COALESCE(CONVERT({0} USING utf8mb4), '')",
    "boolean": "CAST({0} <> 0 AS CHAR)",
    "uuid": "REPLACE(LOWER(CAST({0} AS CHAR)), '-', '')",
    "date": "DATE_FORMAT({0}, '%%Y-%%m-%%d')",
    "moment": "DATE_FORMAT({0}, '%%Y-%%m-%%d %%H:%%i:%%s.%%f')",
    "time": "TIME_FORMAT({0}, '%%H:%%i:%%s.%%f')",
    "decimal": "IF({places} = 0, CAST({0} AS CHAR), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({0} AS CHAR))))",
    "span": "CAST({0} AS CHAR)",
    "binary": "LOWER(HEX({0}))",
    "address": "CONVERT({0} USING utf8mb4)",
}
SQLITE = {
    INTEGER: "CAST({0} AS TEXT)",
    TEXT: "{0}",
    FILE: "coalesce({0}, '')",
    "boolean": "CAST({0} <> 0 AS TEXT)",
    "uuid": "{0}",
    "date": "{0}",
    "moment": "CASE length({0}) WHEN 19 THEN {0} || '.000000' ELSE {0} END",
    "time": "CASE length({0}) WHEN 8 THEN {0} || '.000000' ELSE {0} END",
    "decimal": "celery_cqrs_decimal({0}, {places})",
    "span": "CAST({0} AS TEXT)",
    "binary": "CASE WHEN {0} IS NULL THEN NULL ELSE lower(hex({0})) END",
    "address": "{0}",
}
VALUES = {"postgresql": POSTGRESQL, "mysql": MYSQL, "sqlite": SQLITE}
BYTES = {"postgresql": "octet_length({0})", "mysql": "LENGTH({0})", "sqlite": "length(CAST({0} AS BLOB))"}
HASHES = {"postgresql": "md5({0})", "mysql": "MD5({0})", "sqlite": "celery_cqrs_hash({0})"}


def joined(connection: Any, texts: Sequence[str]) -> str:
    """An SQL expression for ``texts``, which are SQL expressions themselves, one after the other."""
    return f"CONCAT({', '.join(texts)})" if connection.vendor == "mysql" else f"({' || '.join(texts)})"


class Canonical(Func):
    """The canonical text of a column, by a template of VALUES."""

    output_field = TextField()

    def __init__(self, column: str, name: str, places: int = 0) -> None:
        super().__init__(F(column))
        self.name = name
        self.places = places

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        """Columns have no parameters, and may be written several times."""
        column, parameters = compiler.compile(self.source_expressions[0])
        return VALUES[connection.vendor][self.name].format(column, places=self.places), parameters


class Framed(Func):
    """A canonical text with an end, as ``kinds.framed`` writes it."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        """A text that may contain a comma is preceded by its length."""
        inner: Any = self.source_expressions[0]
        text, parameters = compiler.compile(inner)
        bytes_before = [BYTES[connection.vendor].format(text), "':'"] if inner.name in TEXTS else []
        whole = joined(connection, [*bytes_before, text, "','"])
        return f"COALESCE({whole}, '~,')", parameters


class Line(Func):
    """The line of a row, see ``digest.line_of``: of its key, its revision and its framed columns."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        """The columns are hashed, so that no list of lines becomes too long."""
        key, revision, *columns = (compiler.compile(one)[0] for one in self.source_expressions)
        content = HASHES[connection.vendor].format(joined(connection, [*columns, "''"]))
        parts = [key, "':'", revision, *(["':'", content] if columns else [])]
        return joined(connection, parts), []


def canonical(field: Any, kind: str, using: str) -> Canonical | None:
    """The text of ``kind`` of the values of ``field``, made by database ``using``; None where Python makes it."""
    connection, target = connections[using], stored_field(field)
    name = _name(target, kind)
    if name not in VALUES.get(connection.vendor, ()):
        return None
    if name == "moment" and connection.vendor != "postgresql" and connection.timezone_name != "UTC":
        return None
    if name in TEXTS and connection.vendor == "postgresql" and _encoding(using) != "UTF8":
        return None
    return Canonical(field.attname, str(name), getattr(target, "decimal_places", 0))


def _name(target: Any, kind: str) -> str | None:
    """Under which name the tables have it."""
    known = known_class(target)
    own = None if known is None else NAMES[known]
    if kind == TEXT and known is not None and issubclass(known, FileField):
        return FILE
    if kind == TEXT and own == INTEGER:
        return INTEGER
    return own if own is not None and kind.partition("~")[0].partition(":")[0] == own else None


@cache
def _encoding(using: str) -> str:
    """PostgreSQL hashes texts, and counts their bytes, as they are stored."""
    with connections[using].cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        return str(cursor.fetchone()[0])


def register(connection: Any, **_: Any) -> None:
    """Give SQLite the functions that it has not; a receiver of ``connection_created``."""
    if connection.vendor == "sqlite" and connection.connection is not None:
        make = connection.connection.create_function
        make("celery_cqrs_hash", 1, _unless_null(hash_of), deterministic=True)
        make("celery_cqrs_position", 1, _unless_null(position_of), deterministic=True)
        make("celery_cqrs_decimal", 2, _unless_null(_decimal_of_sqlite), deterministic=True)


def _unless_null(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *others: None if value is None else function(value, *others)


def _decimal_of_sqlite(value: Any, places: int) -> str:
    """As Django reads it, from what SQLite keeps as a float."""
    number = Context(prec=SQLITE_DIGITS).create_decimal_from_float(value)
    return decimal_text(number.quantize(Decimal(1).scaleb(-places), context=Context(prec=1_000)))
