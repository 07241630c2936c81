"""Rows by many keys at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from celery_cqrs.serialize import target_of


def among(rows: QuerySet[Any], name: str, values: Iterable[Any]) -> QuerySet[Any]:
    """``rows`` whose field ``name`` has one of ``values``; on PostgreSQL these are one parameter and not hundreds."""
    connection = connections[rows.db]
    if connection.vendor != "postgresql":
        return rows.filter(**{f"{name}__in": list(values)})
    field: Any = rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name)
    quote, prepare = connection.ops.quote_name, target_of(field).get_db_prep_value
    column = f"{quote(rows.model._meta.db_table)}.{quote(field.column)}"
    prepared = [prepare(value, connection) for value in values]
    return rows.filter(RawSQL(f"{column} = ANY(%s)", [prepared], output_field=BooleanField()))
