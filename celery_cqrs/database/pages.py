"""All rows of a table, however many, a page at a time in the order of the primary key, whatever its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet


def after(rows: QuerySet[Any], key: Any) -> QuerySet[Any]:
    """``rows`` in the order of their keys, those behind ``key``; all of them when it is None."""
    ordered = rows.order_by("pk")
    return ordered if key is None else ordered.filter(pk__gt=key)


def is_last(rows: QuerySet[Any], key: Any) -> bool:
    """Whether nothing of ``rows`` comes behind ``key``; exists() drops the order and reads from the start."""
    return not after(rows, key).values_list("pk", flat=True)[:1]


def satisfying(rows: QuerySet[Any], rule: Q | None) -> QuerySet[Any]:
    """Those of ``rows`` that satisfy ``rule``, each once, also where it asks about many rows of another table."""
    if rule is None:
        return rows
    chosen = rows.filter(rule)
    fields = [getattr(join, "join_field", None) for join in chosen.query.alias_map.values()]
    repeats = any(field is not None and (field.one_to_many or field.many_to_many) for field in fields)
    return rows.filter(pk__in=chosen.values("pk")) if repeats else chosen


def pages(rows: QuerySet[Any], size: int, key: Any = None) -> Iterator[QuerySet[Any]]:
    """``rows`` behind ``key`` in pages of ``size``; each page is read when it is asked for, so memory stays flat.

    A row that is written meanwhile is on a page if its key is behind the page before.
    """
    while keys := list(after(rows, key).values_list("pk", flat=True)[:size]):
        yield after(rows, key).filter(pk__lte=keys[-1])
        key = keys[-1]
