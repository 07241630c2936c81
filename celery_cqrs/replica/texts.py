"""PostgreSQL: the values of a column as they came over the wire → texts that the database casts to its type.

A value goes as it is when it is of the kind that its column expects; any other is refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import models

from celery_cqrs.database.arrays import INTEGERS, STRINGS
from celery_cqrs.replica.fitting import places_of

Texts = Callable[[Sequence[Any]], Sequence[str]]
"""The values of a column, none of them null, as texts. Raises TypeError, ValueError or ArithmeticError."""

TOO_FINE = re.compile(r"[.,][0-9]{7}")
ANY_DECIMAL = re.compile(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")


def _demand(values: Sequence[Any], *kinds: type) -> Sequence[Any]:
    """``values``, if all are of exactly these ``kinds``. Raises TypeError."""
    if not set(map(type, values)) <= set(kinds):
        raise TypeError
    return values


def strings(values: Sequence[Any], most: int | None = None) -> Sequence[str]:
    """Texts of ``most`` characters at most."""
    if most is not None and max(map(len, _demand(values, str)), default=0) > most:
        raise ValueError
    return _demand(values, str)


def _integers(values: Sequence[Any]) -> Sequence[str]:
    return list(map(str, _demand(values, int)))


def _booleans(values: Sequence[Any]) -> Sequence[str]:
    return ["t" if value else "f" for value in _demand(values, bool)]


def _floats(values: Sequence[Any]) -> Sequence[str]:
    return list(map(repr, _demand(values, float, int)))


def decimals(values: Sequence[Any], places: int = 0) -> Sequence[str]:
    """No NaN, no Infinity, and none that the column would round."""
    texts = list(map(str, _demand(values, str, int)))
    plain = _plain_decimal(places).fullmatch
    for text in texts:
        if not plain(text) and not (ANY_DECIMAL.fullmatch(text) and places_of(Decimal(text)) <= places):
            raise ValueError
    return texts


@cache
def _plain_decimal(places: int) -> re.Pattern[str]:
    return re.compile(rf"-?[0-9]+(?:\.[0-9]{{0,{places}}}0*)?")


def _dates(values: Sequence[Any]) -> Sequence[str]:
    for value in values:
        date.fromisoformat(value)
    return values


def _times(values: Sequence[Any]) -> Sequence[str]:
    if any(time.fromisoformat(value).tzinfo is not None for value in values):
        raise ValueError
    return _no_finer_than_python(values)


def _moments(values: Sequence[Any]) -> Sequence[str]:
    for moment in map(datetime.fromisoformat, values):
        if moment.tzinfo is None or moment.year in (MINYEAR, MAXYEAR):  # there it may leave the calendar on its way
            raise ValueError
    return _no_finer_than_python(values)


def _no_finer_than_python(values: Sequence[str]) -> Sequence[str]:
    """Parts of a microsecond are cut by Python and rounded by PostgreSQL, up to 24:00."""
    if TOO_FINE.search("\n".join(values)):
        raise ValueError
    return values


def _spans(values: Sequence[Any]) -> Sequence[str]:
    if any(not value.startswith("P") or "-" in value for value in strings(values)):
        raise ValueError  # PostgreSQL reads no sign before the P
    return values


def _uuids(values: Sequence[Any]) -> Sequence[str]:
    if set(map(len, strings(values))) > {36}:
        raise ValueError
    return values


def addresses(values: Sequence[Any], unpacked: bool = False) -> Sequence[str]:
    """No networks; ``unpacked``: none of IPv6, which Django may shorten to one of IPv4."""
    if any("/" in value or (unpacked and ":" in value) for value in strings(values)):
        raise ValueError
    return values


def _documents(values: Sequence[Any]) -> Sequence[str]:
    return list(map(json.dumps, values))


KINDS: dict[type, tuple[Texts, str]] = {
    **{kind: (_integers, f"{{}}::{cast}") for kind, cast in INTEGERS.items()},
    **dict.fromkeys((*STRINGS, models.FileField, models.ImageField), (strings, "{}")),
    models.BooleanField: (_booleans, "{}::boolean"),
    models.FloatField: (_floats, "{}::double precision"),
    models.DecimalField: (decimals, "{}::numeric"),
    models.DateField: (_dates, "{}::date"),
    models.TimeField: (_times, "{}::time"),
    models.DateTimeField: (_moments, "{}::timestamptz"),
    models.DurationField: (_spans, "{}::interval"),
    models.UUIDField: (_uuids, "{}::uuid"),
    models.GenericIPAddressField: (addresses, "{}::inet"),
    models.BinaryField: (strings, "decode({}, 'base64')"),
    models.JSONField: (_documents, "{}::jsonb"),
}
"""Exactly these classes: what inherits from them may hold its values another way."""
