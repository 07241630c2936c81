"""Whether a value fits its column, by what the field declares: the same sentence on every database.

PostgreSQL refuses by itself what is too long or too large, but rounds decimals; MariaDB refuses it in strict mode;
SQLite takes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.validators import validate_ipv46_address
from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations

from celery_cqrs.serialize import target_of

Check = Callable[[Any], str]
UNSIGNED = {"PositiveSmallIntegerField": 2**16, "PositiveIntegerField": 2**32, "PositiveBigIntegerField": 2**64}
"""On MariaDB they hold twice as much as elsewhere."""


def check_of(field: Any) -> Check | None:
    """What says why ``field`` cannot hold a value, without quoting it; empty when it fits. Raises ValidationError.

    None when any value of its type fits. Nothing of the field is looked up again for each value.
    """
    target = target_of(field)
    make = next((make for kind, make in CHECKS.items() if isinstance(target, kind)), None)
    return None if make is None else make(target)


def places_of(number: Decimal) -> int:
    """How many decimal places ``number`` needs."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0 or not number:
        return 0
    text = "".join(map(str, digits))
    return max(0, -exponent - (len(text) - len(text.rstrip("0"))))


def rounded(field: Any, value: Any) -> Any:
    """A float has no exact places: as ``field``, if it is a decimal one, holds it."""
    target = target_of(field)
    if not isinstance(target, models.DecimalField) or not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1).scaleb(-target.decimal_places), context=target.context)


def _make_text(field: Any) -> Check:
    return partial(_text, None if isinstance(field, models.TextField) else field.max_length)


def _text(most: int | None, value: Any) -> str:
    text = str(value)
    if most is not None and len(text) > most:
        return f"holds {most} characters, and its value has {len(text)}."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "cannot hold its value: half of a surrogate pair is no text."
    return ""


def _make_integer(field: Any) -> Check | None:
    kind = field.get_internal_type()
    if kind not in BaseDatabaseOperations.integer_field_ranges:
        return None
    lowest, highest = BaseDatabaseOperations.integer_field_ranges[kind]
    return partial(_integer, kind, lowest, UNSIGNED.get(kind, highest + 1) - 1)


def _integer(kind: str, lowest: int, highest: int, value: int) -> str:
    return "" if lowest <= value <= highest else f"holds what a {kind} can, and its value is too large or too small."


def _make_decimal(field: Any) -> Check:
    return partial(_decimal, field.decimal_places, field.max_digits - field.decimal_places)


def _decimal(places: int, whole: int, value: Decimal) -> str:
    _, _, exponent = value.as_tuple()
    if isinstance(exponent, int) and -exponent > places and places_of(value) > places:
        return f"holds {places} decimal places, and its value has {places_of(value)}."
    is_large = bool(value) and value.adjusted() >= whole
    return f"holds {whole} digits before the point, and its value has more." if is_large else ""


def _moment(value: datetime) -> str:
    if value.tzinfo is not None and value.year in (MINYEAR, MAXYEAR):
        value.astimezone(UTC)  # raises for a moment that leaves the calendar there
    return ""


def _address(value: str) -> str:
    validate_ipv46_address(value)
    return ""


CHECKS: dict[type | tuple[type, ...], Callable[[Any], Check | None]] = {
    models.GenericIPAddressField: lambda field: _address,
    (models.CharField, models.TextField, models.FileField): _make_text,
    models.IntegerField: _make_integer,
    models.DecimalField: _make_decimal,
    models.DateTimeField: lambda field: _moment,
}
