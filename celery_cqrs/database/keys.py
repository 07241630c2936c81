"""Rows by many keys at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.models import BooleanField, CharField, Field, QuerySet, TextField, UUIDField
from django.db.models.expressions import RawSQL

from celery_cqrs.database.arrays import INTEGERS, array_of_integers, array_of_texts
from celery_cqrs.serialize import target_of


def among(rows: QuerySet[Any], name: str, values: Iterable[Any]) -> QuerySet[Any]:
    """``rows`` whose field ``name`` has one of ``values``; on PostgreSQL these are one parameter and not hundreds."""
    connection = connections[rows.db]
    if connection.vendor != "postgresql":
        return rows.filter(**{f"{name}__in": list(values)})
    field: Any = rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name)
    quote = connection.ops.quote_name
    column = f"{quote(rows.model._meta.db_table)}.{quote(field.column)}"
    mark, parameter = _array(target_of(field), connection, list(values))
    return rows.filter(RawSQL(f"{column} = ANY({mark})", [parameter], output_field=BooleanField()))


def _array(field: Any, connection: Any, values: list[Any]) -> tuple[str, Any]:
    if type(field) in INTEGERS:
        return "%s::bigint[]", array_of_integers(values)
    if type(field) is UUIDField:
        return "%s::uuid[]", array_of_texts([str(value) for value in values])
    if _is_stored_as_it_is(field):
        return "%s::text[]", array_of_texts(values)
    return "%s", [field.get_db_prep_value(value, connection) for value in values]


def _is_stored_as_it_is(field: Any) -> bool:
    """Whether the database gets a text of ``field`` without a change, also from classes that inherit."""
    kind = type(field)
    prepares = kind.get_prep_value in (CharField.get_prep_value, TextField.get_prep_value)
    return prepares and kind.get_db_prep_value is Field.get_db_prep_value
