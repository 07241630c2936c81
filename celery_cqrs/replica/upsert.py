"""The guarded statement of the bulk path: inserts the rows, and updates those that are older, all in one.

PostgreSQL gets texts in arrays, one per column, and casts them itself, where every column allows it
(``columns.py``); elsewhere Django's own INSERT carries the values. The guard stands in the statement, since another
worker may write the same key meanwhile: locks of models are shared among those who only save.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from django.db import connections
from django.db.models.sql import InsertQuery

from celery_cqrs.message import Message
from celery_cqrs.replica import columns
from celery_cqrs.replica.mapping import by_attribute, map_data, writable_fields

Statement = tuple[str, Any]
"""SQL and its parameters."""


def upsert(model: Any, using: str, messages: Sequence[Message], *, sync: bool) -> None:
    """Write ``messages`` (one per key) of ``model``; a SYNC also where the row has the same revision.

    Raises MappingFailed, or a DatabaseError, when one of them does not fit; then the transaction must be rolled back.
    """
    upsert_data(model, using, [message.instance_data for message in messages], sync=sync)


def upsert_data(model: Any, using: str, data: Sequence[Mapping[str, Any]], *, sync: bool) -> int:
    """The same for the data of messages. Returns how many rows were written; MariaDB and MySQL cannot tell."""
    return execute(using, _statements(model, connections[using], data, sync))


def prepare(model: Any, connection: Any, data: Sequence[Mapping[str, Any]], *, sync: bool) -> list[Statement]:
    """The statements that ``upsert_data`` executes. Raises MappingFailed."""
    return list(_statements(model, connection, data, sync))


def execute(using: str, statements: Iterable[Statement]) -> int:
    """Execute what is prepared; returns how many rows were written."""
    written = 0
    with connections[using].cursor() as cursor:
        for sql, parameters in statements:
            cursor.execute(sql, parameters)
            written += cursor.rowcount
    return written


def _statements(model: Any, connection: Any, data: Sequence[Mapping[str, Any]], sync: bool) -> Iterator[Any]:
    for _, group in groupby(data, key=lambda one: one.keys()):
        rows = list(group)
        arrays = columns.arrays(model, rows) if connection.vendor == "postgresql" else None
        if arrays is not None:
            insert = columns.insert_sql(model, connection, arrays.columns)
            yield f"{insert} {suffix(model, connection, arrays.names, sync=sync)}", arrays.texts
        else:
            yield from _by_django(model, connection, rows, sync)


def _by_django(model: Any, connection: Any, data: Sequence[Mapping[str, Any]], sync: bool) -> Iterator[Any]:
    mapped = [map_data(model, one) for one in data]
    instances = [model(**by_attribute(model, one)) for one in mapped]
    fields = writable_fields(model)
    ending = suffix(model, connection, list(mapped[0]), sync=sync)
    size = connection.ops.bulk_batch_size(fields, instances)
    for start in range(0, len(instances), size):
        query = InsertQuery(model)
        query.insert_values(fields, instances[start : start + size])
        for sql, parameters in query.get_compiler(connection=connection).as_sql():
            yield f"{sql} {ending}", parameters


def suffix(model: Any, connection: Any, names: Sequence[str], *, sync: bool) -> str:
    """What happens to rows that exist: the columns of ``names`` are updated if the guard agrees."""
    meta, quote = model._meta, connection.ops.quote_name
    changed = [meta.get_field(name).column for name in names if not meta.get_field(name).primary_key]
    revision = meta.get_field("cqrs_revision").column
    changed.sort(key=revision.__eq__)  # last: MariaDB assigns in order, and the guard reads the old one
    build = SUFFIXES[connection.vendor]
    return build(
        quote(meta.db_table),
        quote(meta.pk.column),
        [quote(one) for one in changed],
        quote(revision),
        "<=" if sync else "<",
    )


def _on_conflict(table: str, key: str, changed: Sequence[str], revision: str, older: str) -> str:
    changes = ", ".join(f"{one} = excluded.{one}" for one in changed)
    return f"ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {table}.{revision} {older} excluded.{revision}"


def _on_duplicate_key(table: str, key: str, changed: Sequence[str], revision: str, older: str) -> str:
    guard = f"{table}.{revision} {older} VALUES({revision})"
    changes = ", ".join(f"{one} = IF({guard}, VALUES({one}), {table}.{one})" for one in changed)
    return f"ON DUPLICATE KEY UPDATE {changes}"


SUFFIXES = {"postgresql": _on_conflict, "sqlite": _on_conflict, "mysql": _on_duplicate_key}
