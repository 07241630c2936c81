"""PostgreSQL: wire values → arrays of texts, one per column, which the database casts by itself.

``Field.to_python`` for every value costs more than all the rest of applying a row. So a value goes as it came when its
type is the one that its column expects; any other is refused here, and takes the longer way through the hooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from decimal import Decimal
from functools import cache, partial
from typing import Any

from django.db import models
from django.db.models import NOT_PROVIDED

from celery_cqrs.database.arrays import INTEGERS, STRINGS, array_of_texts
from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.replica.fitting import places_of
from celery_cqrs.replica.mapping import OWN_FIELDS
from celery_cqrs.serialize import encode_value, target_of


@dataclass(frozen=True)
class Insert:
    """``INSERT INTO … SELECT`` for some rows; ``names`` are the fields whose values came with the messages."""

    sql: str
    parameters: list[str]
    names: list[str]


@dataclass(frozen=True)
class Column:
    """A field, where its value is in the master's data, and how its text is made and cast."""

    field: Any
    source: str
    text: Callable[[Any], str]
    cast: str


def insert_texts(model: Any, connection: Any, data: Sequence[Mapping[str, Any]]) -> Insert | None:
    """The statement for ``data`` (all with the same keys); None when the model has a column that is not castable.

    Raises MappingFailed when a value is not of the type that its column takes as it is.
    """
    columns = _columns(model)
    if columns is None:
        return None
    given = [column for column in columns if column.source in data[0]]
    added = [column for column in columns if column.source not in data[0] and _has_default(column.field)]
    _check_complete(model, data[0], [*given, *added])
    values = [_texts(model, column, [one[column.source] for one in data]) for column in given]
    values += [_texts(model, column, [_default(column.field) for _ in data]) for column in added]
    return Insert(_sql(model, connection, [*given, *added]), values, [column.field.name for column in given])


def _sql(model: Any, connection: Any, columns: Sequence[Column]) -> str:
    quote = connection.ops.quote_name
    names = ", ".join(quote(column.field.column) for column in columns)
    casts = ", ".join(column.cast.format(f"u.c{number}") for number, column in enumerate(columns))
    aliases = ", ".join(f"c{number}" for number in range(len(columns)))
    arrays = ", ".join(["%s::text[]"] * len(columns))
    key = [column.field.primary_key for column in columns].index(True) + 1
    source = f"SELECT {casts} FROM unnest({arrays}) AS u({aliases}) ORDER BY {key}"
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) {source}"


@cache
def _columns(model: Any) -> tuple[Column, ...] | None:
    """The columns that messages may fill; None when one of them is of a kind that is not in KINDS."""
    mapping = None if model.CQRS_MAPPING is None else {ours: theirs for theirs, ours in model.CQRS_MAPPING.items()}
    fields = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
    kinds = [KINDS.get(type(target_of(field))) for field in fields]
    if None in kinds:
        return None
    return tuple(
        Column(field, _source(field, mapping), _exact(field, kind[0]), kind[1])
        for field, kind in zip(fields, kinds, strict=True)
        if kind is not None
    )


def _exact(field: Any, text: Callable[[Any], str]) -> Callable[[Any], str]:
    """PostgreSQL rounds decimals without a word: one with more places than its column takes the longer way."""
    target: Any = target_of(field)
    return partial(_decimal, places=target.decimal_places) if text is _decimal else text


def _source(field: Any, mapping: Mapping[str, str] | None) -> str:
    if mapping is None or field.name in OWN_FIELDS:
        return str(field.name)
    return mapping.get(field.name) or mapping.get(field.attname) or ""


def _check_complete(model: Any, data: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Refuse what lacks a field, or names a foreign key by its column."""
    found = {column.field for column in columns}
    for field in model._meta.concrete_fields:
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
    nothing = "" if isinstance(column.field, models.FileField) else None  # as Django keeps a file that is not there
    try:
        texts = [nothing if value is None else column.text(value) for value in values]
        array = array_of_texts(texts)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _unfit(model, column.field) from error
    if None in texts and not column.field.null:
        raise _unfit(model, column.field)
    return array


def _unfit(model: Any, field: Any) -> MappingFailed:
    return MappingFailed(cqrs_id=model.CQRS_ID, model=model.__name__, problem=f"field {field.name!r} does not take it.")


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _integer(value: Any) -> str:
    if type(value) is not int:
        raise TypeError
    return str(value)


def _boolean(value: Any) -> str:
    if type(value) is not bool:
        raise TypeError
    return "t" if value else "f"


def _float(value: Any) -> str:
    if type(value) is not float and type(value) is not int:
        raise TypeError
    return repr(value)


def _decimal(value: Any, places: int = 0) -> str:
    if type(value) is int:
        return str(value)
    if not _string(value)[-1:].isdigit():  # no NaN and no Infinity
        raise ValueError
    is_plain = "E" not in value and "e" not in value and len(value.partition(".")[2].rstrip("0")) <= places
    if not is_plain and places_of(Decimal(value)) > places:
        raise ValueError
    return str(value)


def _date(value: Any) -> str:
    date.fromisoformat(value)
    return str(value)


def _time(value: Any) -> str:
    if time.fromisoformat(value).tzinfo is not None:
        raise ValueError
    return str(value)


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or moment.year in (MINYEAR, MAXYEAR):  # there it may leave the calendar on its way to UTC
        raise ValueError
    return str(value)


def _span(value: Any) -> str:
    if not _string(value).startswith("P") or "-" in value:  # PostgreSQL reads no sign before the P
        raise ValueError
    return str(value)


def _uuid(value: Any) -> str:
    if len(_string(value)) != 36:
        raise ValueError
    return str(value)


def _address(value: Any) -> str:
    if "/" in _string(value):
        raise ValueError
    return str(value)


KINDS: dict[type, tuple[Callable[[Any], str], str]] = {
    **{kind: (_integer, f"{{}}::{cast}") for kind, cast in INTEGERS.items()},
    **dict.fromkeys((*STRINGS, models.FileField, models.ImageField), (_string, "{}")),
    models.BooleanField: (_boolean, "{}::boolean"),
    models.FloatField: (_float, "{}::double precision"),
    models.DecimalField: (_decimal, "{}::numeric"),
    models.DateField: (_date, "{}::date"),
    models.TimeField: (_time, "{}::time"),
    models.DateTimeField: (_moment, "{}::timestamptz"),
    models.DurationField: (_span, "{}::interval"),
    models.UUIDField: (_uuid, "{}::uuid"),
    models.GenericIPAddressField: (_address, "{}::inet"),
    models.BinaryField: (_string, "decode({}, 'base64')"),
    models.JSONField: (json.dumps, "{}::jsonb"),
}
"""Exactly these classes: what inherits from them may hold its values another way."""
