"""How a value is written so that every database, and Python, gives the same text: its kind.

Values are compared only where both sides are of the same kind: an integer that a replica keeps as a text would differ
for ever.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db import connections, models
from django.utils import timezone

from celery_cqrs.database.arrays import INTEGERS, STRINGS
from celery_cqrs.serialize import encode_field, target_of

INTEGER, TEXT = "integer", "text"
NAMES: dict[type, str] = {
    **dict.fromkeys(INTEGERS, INTEGER),
    **dict.fromkeys((*STRINGS, models.FilePathField, models.FileField, models.ImageField), TEXT),
    models.BooleanField: "boolean",
    models.UUIDField: "uuid",
    models.DateField: "date",
    models.DateTimeField: "moment",
    models.TimeField: "time",
    models.DecimalField: "decimal",
    models.FloatField: "float",
    models.DurationField: "span",
    models.BinaryField: "binary",
    models.GenericIPAddressField: "address",
    models.JSONField: "json",
}
CONVERSIONS = ("from_db_value", "to_python", "get_prep_value", "get_db_prep_value", "value_from_object")
"""A class that overrides one of them may hold its values another way than the class that it inherits from."""
WITH_LENGTH = (TEXT, "json", "other")
"""Kinds whose texts may contain a comma: their length in bytes comes first."""
SQLITE_DIGITS = 15
"""SQLite keeps decimals as floats."""


def kind_of(field: Any, using: str) -> str:
    """The kind of the values of ``field`` on database ``using``."""
    target = stored_field(field)
    known = known_class(target)
    if known is None:
        return other_kind(target)
    name = NAMES[known]
    if name == "decimal" and connections[using].vendor == "sqlite" and target.max_digits > SQLITE_DIGITS:
        return f"{name}~{SQLITE_DIGITS}"
    if name == "moment" and not settings.USE_TZ and settings.TIME_ZONE != "UTC":
        return f"{name}@{settings.TIME_ZONE}"
    return name


def kind_of_key(field: Any, using: str) -> str:
    """The kind of a primary key; its text also travels as it is, so decimals need the same places on both sides."""
    kind = kind_of(field, using)
    return f"{kind}:{stored_field(field).decimal_places}" if kind.startswith("decimal") else kind


def stored_field(field: Any) -> Any:
    """The field that says how values are stored: where foreign keys lead to, what a generated field puts out."""
    target: Any = target_of(field)
    return target_of(target.output_field) if getattr(target, "generated", False) else target


def known_class(field: Any) -> type | None:
    """Django's own class whose values ``field`` holds as that class does, or None."""
    kind = type(field)
    known = next((one for one in kind.__mro__ if one in NAMES), None)
    if known is None or any(getattr(kind, name, None) is not getattr(known, name, None) for name in CONVERSIONS):
        return None
    return known


def other_kind(field: Any) -> str:
    """Fields of other classes are compared where both sides have the very same one."""
    path = f"{type(field).__module__}.{type(field).__qualname__}"
    base = getattr(field, "base_field", None)
    return f"other:{path}" if base is None else f"other:{path}[{NAMES.get(type(base)) or other_kind(base)}]"


def text_maker(field: Any, kind: str) -> Callable[[Any], str | None]:
    """What makes the canonical text of a value of ``field`` (as the model gives it), which is to be of ``kind``.

    A kind that is not the field's own can only be "text": its values as they travel.
    """
    target = stored_field(field)
    known = known_class(target)
    if known is None or (kind == TEXT and NAMES[known] != TEXT):
        return _text_on_wire(field, kind)
    if kind == TEXT and issubclass(known, models.FileField):
        return lambda value: "" if value is None else str(value)  # no file at all travels as an empty name
    make = MAKERS[NAMES[known]]
    return lambda value: None if value is None else make(value)


def framed(text: str | None, kind: str) -> str:
    """A canonical text with an end, so that the texts of several columns can follow each other."""
    if text is None:
        return "~,"
    return f"{len(text.encode('utf-8', 'surrogatepass'))}:{text}," if kind.startswith(WITH_LENGTH) else f"{text},"


def _text_on_wire(field: Any, kind: str) -> Callable[[Any], str | None]:
    def make(value: Any) -> str | None:
        plain = encode_field(field, SimpleNamespace(**{field.attname: value}))
        if plain is None:
            return None
        return str(plain) if kind == TEXT else json_text(plain)

    return make


def json_text(value: Any) -> str:
    """A plain value as JSON: keys in order, one spelling for each number, ASCII alone."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return json.dumps(value)


def number_text(value: int | float) -> str:
    """1, 1.0 and 1e0 alike: databases do not agree on which of them they give back."""
    number = Decimal(repr(value))
    if not number.is_finite():
        return str(number)
    sign, digits, exponent = number.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    zeros = len(digits) - len(kept)
    return f"{'-' if sign else ''}{kept}e{int(exponent) + zeros}" if kept else "0"


def decimal_text(value: Decimal) -> str:
    """1.5, 1.50 and 1.500 alike."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _moment(value: datetime.datetime) -> str:
    aware = value if timezone.is_aware(value) else timezone.make_aware(value, timezone.get_default_timezone())
    return aware.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


MAKERS: dict[str, Callable[[Any], str]] = {
    INTEGER: lambda value: str(int(value)),
    TEXT: str,
    "boolean": lambda value: "1" if value else "0",
    "uuid": lambda value: str(value.hex),
    "date": lambda value: str(value.isoformat()),
    "moment": _moment,
    "time": lambda value: str(value.isoformat("microseconds")),
    "decimal": decimal_text,
    "float": lambda value: repr(value + 0.0),
    "span": lambda value: str(value // datetime.timedelta(microseconds=1)),
    "binary": lambda value: bytes(value).hex(),
    "address": str,
    "json": json_text,
}
