"""Instance ↔ plain JSON values, field by field; no value loses anything on the way.

JSON's own types where they are lossless; Decimal, dates, times and UUIDs as text; durations in ISO 8601; bytes in
base64; a foreign key as its target value under the field's name; files by name; the rest by ``value_to_string``.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import BinaryField, DecimalField, Field, FileField, ForeignKey, IntegerField, JSONField, Model
from django.utils import timezone
from django.utils.duration import duration_iso_string
from django.utils.functional import Promise

Plain = Any
"""A value that JSON can carry: dict, list, str, int, float, bool or None."""


def encode_instance(instance: Model, fields: Iterable[Field[Any, Any]]) -> dict[str, Plain]:
    """The named ``fields`` of ``instance`` as plain values by field name."""
    return {field.name: encode_field(field, instance) for field in fields}


def encode_field(field: Field[Any, Any], instance: Any) -> Plain:
    """The value of ``field`` in ``instance`` as a plain value."""
    value = field.value_from_object(instance)
    if value is None or hasattr(value, "resolve_expression"):  # F() and its like are known to the database only
        return None
    if isinstance(field, JSONField):
        return json.loads(json.dumps(value, cls=field.encoder))
    if isinstance(field, FileField):
        return None if field.null and getattr(value, "name", value) is None else str(value)
    encoded = encode_value(value)
    return field.value_to_string(instance) if encoded is NotImplemented else encoded


def encode_value(value: Any) -> Plain:
    """A Python value as a plain value, or NotImplemented when its field must say how."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case datetime.datetime():  # with its offset: the other side may live in another zone
            return (value if timezone.is_aware(value) else _in_default_zone(value)).isoformat()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return duration_iso_string(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
    return NotImplemented


def to_plain(value: Any) -> Plain:
    """A nested value, such as a serializer's data, as plain values; raises TypeError for what has no plain form."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [to_plain(item) for item in value]
    encoded = encode_value(str(value) if isinstance(value, Promise) else value)
    if encoded is NotImplemented:
        raise TypeError(f"a {type(value).__name__} has no plain form; turn it into text, numbers, lists or dicts.")
    return encoded


def decode_value(field: Field[Any, Any], value: Plain) -> Any:
    """A plain value as what ``field`` holds; raises ValidationError, ValueError or TypeError when it does not fit."""
    if value is None or isinstance(field, JSONField):
        return value
    target = target_of(field)
    if isinstance(value, dict | list):
        raise TypeError(f"a {type(value).__name__} is no value of a {type(target).__name__}.")
    if isinstance(target, IntegerField) and isinstance(value, float) and not value.is_integer():
        raise ValueError("a whole number is needed.")
    if isinstance(target, BinaryField):
        return memoryview(base64.b64decode(value, validate=True))
    decoded = target.to_python(value)
    return _as_stored_here(decoded) if isinstance(decoded, datetime.datetime) else decoded


def _as_stored_here(moment: datetime.datetime) -> datetime.datetime:
    """Aware or naive, as USE_TZ of this service asks."""
    aware = moment if timezone.is_aware(moment) else _in_default_zone(moment)
    return aware if settings.USE_TZ else timezone.make_naive(aware, timezone.get_default_timezone())


def _in_default_zone(moment: datetime.datetime) -> datetime.datetime:
    return timezone.make_aware(moment, timezone.get_default_timezone())


def target_of(field: Field[Any, Any]) -> Field[Any, Any]:
    """The field whose values ``field`` holds: itself, or what its foreign keys lead to."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    return field


def key_text(model: type[Model], pk: Any) -> str:
    """A primary key as the text under which outbox, tombstones and letters know it."""
    return value_text(model._meta.pk, pk)


def value_text(field: Field[Any, Any], value: Any) -> str:
    """A value of ``field``, which tells rows apart, as text."""
    target = target_of(field)
    if type(value) is int and isinstance(target, IntegerField):
        return str(value)
    plain = encode_value(_spelled(target, target.to_python(value)))
    return str(value) if plain is NotImplemented else str(plain)


def _spelled(field: Field[Any, Any], value: Any) -> Any:
    """One spelling for values that are equal: 1.5 and 1.500, noon in London and in Berlin."""
    if isinstance(value, decimal.Decimal) and isinstance(field, DecimalField):
        return value.quantize(decimal.Decimal(1).scaleb(-field.decimal_places), context=field.context)
    if isinstance(value, datetime.datetime) and timezone.is_aware(value):
        return value.astimezone(datetime.UTC)
    return value


def key_value(model: type[Model], text: str) -> Any:
    """The inverse of ``key_text``."""
    return target_of(model._meta.pk).to_python(text)


def plain_key(model: type[Model], text: str) -> Plain:
    """A stored key text as the plain value that travels: a number for integer keys, else the text."""
    value = encode_value(key_value(model, text))
    return text if value is NotImplemented else value
