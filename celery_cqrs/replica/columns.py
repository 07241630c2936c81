"""PostgreSQL: wire values → arrays of texts, one per column, which the database casts by itself.

``Field.to_python`` for every value costs more than all the rest of applying a row. So a value goes as it came when its
type is the one that its column expects; any other is refused here, and takes the longer way through the hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.db import models
from django.db.models import NOT_PROVIDED

from celery_cqrs.database.arrays import array_of_texts
from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.replica.mapping import OWN_FIELDS, holds_json_null, writable_fields
from celery_cqrs.replica.texts import KINDS, Texts, addresses, decimals, strings
from celery_cqrs.serialize import encode_value, target_of


@dataclass(frozen=True)
class Column:
    """A field, where its value is in the master's data, how its texts are made and how one is cast."""

    field: Any
    source: str
    texts: Texts
    cast: str


@dataclass(frozen=True)
class Arrays:
    """Some rows as ``texts``, an array a column; of the first ``given`` columns the values came with the messages."""

    columns: tuple[Column, ...]
    texts: list[str]
    given: int

    @property
    def names(self) -> list[str]:
        """The fields whose values came with the messages."""
        return [column.field.name for column in self.columns[: self.given]]

    @property
    def key(self) -> int:
        """Which column is the primary key."""
        return [column.field.primary_key for column in self.columns].index(True)


def arrays(model: Any, data: Sequence[Mapping[str, Any]]) -> Arrays | None:
    """``data`` (all with the same keys) by column; None when the model has a column that is not castable.

    Raises MappingFailed when a value is not of the type that its column takes as it is.
    """
    columns = _columns(model)
    if columns is None:
        return None
    given = [column for column in columns if column.source in data[0]]
    added = [column for column in columns if column.source not in data[0] and _has_default(column.field)]
    _check_complete(model, data[0], [*given, *added])
    texts = [_texts(model, column, [one[column.source] for one in data]) for column in given]
    texts += [_texts(model, column, [_default(column.field) for _ in data]) for column in added]
    return Arrays((*given, *added), texts, len(given))


def insert_sql(model: Any, connection: Any, columns: Sequence[Column]) -> str:
    """``INSERT INTO … SELECT`` for arrays of ``columns``, in the order of the keys."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(column.field.column) for column in columns)
    casts = ", ".join(cast_columns(columns))
    key = [column.field.primary_key for column in columns].index(True) + 1
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {casts} FROM {table_of(columns)} ORDER BY {key}"


def cast_columns(columns: Sequence[Column]) -> list[str]:
    """The values of ``table_of(columns)``, cast."""
    return [column.cast.format(f"u.c{number}") for number, column in enumerate(columns)]


def table_of(columns: Sequence[Column]) -> str:
    """The arrays as a table ``u`` with the columns c0, c1 and so on."""
    aliases = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"unnest({', '.join(['%s::text[]'] * len(columns))}) AS u({aliases})"


@cache
def _columns(model: Any) -> tuple[Column, ...] | None:
    """The columns that messages may fill; None when one of them is of a kind that is not in KINDS."""
    mapping = None if model.CQRS_MAPPING is None else {ours: theirs for theirs, ours in model.CQRS_MAPPING.items()}
    fields = writable_fields(model)
    kinds = [KINDS.get(type(target_of(field))) for field in fields]
    if None in kinds:
        return None
    return tuple(
        Column(field, _source(field, mapping), _exact(field, kind[0]), kind[1])
        for field, kind in zip(fields, kinds, strict=True)
        if kind is not None
    )


def _exact(field: Any, texts: Texts) -> Texts:
    """What would not go in as it is takes the longer way: PostgreSQL rounds decimals without a word, and one text that
    is too long ends the statement for all.
    """
    target: Any = target_of(field)
    if texts is decimals:
        return partial(decimals, places=target.decimal_places)
    if texts is addresses:
        return partial(addresses, unpacked=target.unpack_ipv4)
    return partial(strings, most=target.max_length) if texts is strings and target.max_length else texts


def _source(field: Any, mapping: Mapping[str, str] | None) -> str:
    if mapping is None or field.name in OWN_FIELDS:
        return str(field.name)
    return mapping.get(field.name) or mapping.get(field.attname) or ""


def _check_complete(model: Any, data: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Refuse what lacks a field, or names a foreign key by its column."""
    found = {column.field for column in columns}
    for field in writable_fields(model):
        needed = not field.null and getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED
        if field not in found and (
            needed or field.attname in data or field.name in (model.CQRS_MAPPING or {}).values()
        ):
            raise _unfit(model, field)


def _has_default(field: Any) -> bool:
    return bool(field.has_default()) and getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED


def _default(field: Any) -> Any:
    value = field.get_default()
    return value if isinstance(field, models.JSONField) else encode_value(value)


def _texts(model: Any, column: Column, values: Sequence[Any]) -> str:
    try:
        if None not in values or holds_json_null(column.field):
            return array_of_texts(column.texts(values))
        if not column.field.null:
            raise TypeError
        there = iter(column.texts([value for value in values if value is not None]))
        nothing = "" if isinstance(column.field, models.FileField) else None  # as Django keeps a file that is not there
        return array_of_texts([nothing if value is None else next(there) for value in values])
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _unfit(model, column.field) from error


def _unfit(model: Any, field: Any) -> MappingFailed:
    return MappingFailed(cqrs_id=model.CQRS_ID, model=model.__name__, problem=f"field {field.name!r} does not take it.")
