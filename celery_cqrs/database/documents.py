"""PostgreSQL: a row as the JSON object in which it travels, made by the database.

Only of columns whose JSON reads as the same value as what ``serialize.py`` makes of them, by the class of the field and
by the type that the column really has. Floats are not among them (a database may be told to shorten them, and JSON
knows no NaN), nor are durations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections, models

from celery_cqrs.database.arrays import INTEGERS, STRINGS, array_of_texts
from celery_cqrs.serialize import target_of

AS_IT_IS = "{}"
INTEGER_TYPES = (20, 21, 23)
TEXT_TYPES = (25, 1043)
LONGEST_NAME = 63
"""Bytes of a name; PostgreSQL cuts longer ones."""

KINDS: dict[type, tuple[Sequence[int], str]] = {
    **dict.fromkeys(INTEGERS, (INTEGER_TYPES, AS_IT_IS)),
    **dict.fromkeys(STRINGS, (TEXT_TYPES, AS_IT_IS)),
    models.BooleanField: ((16,), AS_IT_IS),
    models.DecimalField: ((1700,), "{}::text"),
    models.DateField: ((1082,), AS_IT_IS),
    models.TimeField: ((1083,), AS_IT_IS),
    models.DateTimeField: ((1184,), AS_IT_IS),
    models.UUIDField: ((2950,), AS_IT_IS),
    models.GenericIPAddressField: ((869,), AS_IT_IS),
    models.JSONField: ((114, 3802), AS_IT_IS),
}
"""Exactly these classes → the types of column (object ids) that are as expected, and what travels of them."""

ANY_TEXT = re.compile(r"(?s).*")
SMALL_NUMBER = re.compile(r"-?[0-9]{1,18}")
HEXADECIMAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

KEY_ARRAYS: dict[type, tuple[str, str, re.Pattern[str]]] = {
    **dict.fromkeys(INTEGERS, ("bigint", "::text", SMALL_NUMBER)),
    **dict.fromkeys(STRINGS, ("text", "", ANY_TEXT)),
    models.UUIDField: ("uuid", "::text", HEXADECIMAL),
}
"""Kinds of keys whose text is the one that the outbox knows: the type to look them up by, how to get the text, and what
that type reads. A statement that fails would end the transaction around it.
"""


@dataclass(frozen=True)
class Documents:
    """How to read rows as JSON: ``columns`` of ``table``, whose key gives the text ``key`` and has type ``array``."""

    using: str
    columns: str
    table: str
    key: str
    key_column: str
    array: str
    readable: re.Pattern[str]

    def sql(self, condition: str) -> str:
        """The statement that gives key text and JSON object of the rows that satisfy ``condition`` (SQL)."""
        return f"SELECT {self.key}, row_to_json(cqrs_row)::text FROM ({self._rows(condition)}) cqrs_row"

    def read(self, keys: Sequence[str]) -> dict[str, str]:
        """Key text → JSON object, for those of ``keys`` (texts) that exist. Raises ValueError for a bad key.

        Each is looked up by itself: for all at once PostgreSQL may read a whole table that has grown since its
        statistics.
        """
        if not all(map(self.readable.fullmatch, keys)):
            raise ValueError("one of the keys is none of this table.")
        row = f"{self._rows(f'{self.key_column} = cqrs_key.value')} OFFSET 0"
        rows = f"unnest(%s::{self.array}[]) AS cqrs_key(value) CROSS JOIN LATERAL ({row}) cqrs_row"
        with connections[self.using].cursor() as cursor:
            cursor.execute(f"SELECT {self.key}, row_to_json(cqrs_row)::text FROM {rows}", [array_of_texts(keys)])
            return dict(cursor.fetchall())

    def _rows(self, condition: str) -> str:
        return f"SELECT {self.columns} FROM {self.table} WHERE {condition}"


@lru_cache(maxsize=1_000)
def documents(using: str, model: Any, fields: tuple[Any, ...]) -> Documents | None:
    """How to read ``fields`` of ``model`` as JSON; None where that might not be what ``serialize.py`` tells.

    The types of the columns are asked of the database, once in the life of a process.
    """
    connection = connections[using]
    if connection.vendor != "postgresql" or not all(_is_known(model, field) for field in fields):
        return None
    if type(target_of(model._meta.pk)) not in KEY_ARRAYS or not _has_known_types(connection, model, fields):
        return None
    return _documents(using, model, fields)


def is_number(model: Any) -> bool:
    """Whether the key of ``model`` travels as a number."""
    return type(target_of(model._meta.pk)) in INTEGERS


def _is_known(model: Any, field: Any) -> bool:
    """Of a known class, in the model's own table, under a name that PostgreSQL leaves whole."""
    target = target_of(field)
    is_plain = field is target or type(field) in (models.ForeignKey, models.OneToOneField)
    is_own = field.model._meta.concrete_model is model._meta.concrete_model
    is_decoded = getattr(target, "decoder", None) is not None
    return is_plain and is_own and not is_decoded and type(target) in KINDS and len(field.name.encode()) <= LONGEST_NAME


def _has_known_types(connection: Any, model: Any, fields: Sequence[Any]) -> bool:
    """A column may be of another type than its field asks for, where the table came first."""
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {quote(model._meta.db_table)} LIMIT 0")
        types = [column[1] for column in cursor.description]
    return all(found in KINDS[type(target_of(field))][0] for found, field in zip(types, fields, strict=True))


def _documents(using: str, model: Any, fields: Sequence[Any]) -> Documents:
    quote = connections[using].ops.quote_name
    pk = model._meta.pk
    array, as_text, readable = KEY_ARRAYS[type(target_of(pk))]
    columns = ", ".join(f"{_value(field).format(quote(field.column))} AS {quote(field.name)}" for field in fields)
    key = f"cqrs_row.{quote(pk.name)}{as_text}"
    return Documents(using, columns, quote(model._meta.db_table), key, quote(pk.column), array, readable)


def _value(field: Any) -> str:
    return KINDS[type(target_of(field))][1]
