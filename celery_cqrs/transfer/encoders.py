"""Rows of a model as JSON texts, column by column: a third of what instances cost.

Only for models whose rows are told by nothing but their columns; for the others ``encoder_of`` has no answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from django.db import models
from django.db.models import Field

from celery_cqrs.database.arrays import INTEGERS, STRINGS
from celery_cqrs.master.fields import OWN_FIELDS, fields_for
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.master.revision import RevisionField
from celery_cqrs.serialize import encode_value, target_of

Encode = Callable[[Any], str]


class Encoder:
    """Makes the texts of rows, which are tuples of the values of ``names``."""

    def __init__(self, fields: Sequence[Field[Any, Any]]) -> None:
        self.names = [field.attname for field in fields]
        self._encodes = [_encode_of(field) for field in fields]
        pairs = [f"{quoted(field.name).replace('%', '%%')}: %s" for field in fields]
        self._template = f"{{{', '.join(pairs)}}}"

    @property
    def is_whole(self) -> bool:
        """Whether there is a way for every field."""
        return None not in self._encodes

    def texts(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """A JSON object for each of ``rows``."""
        columns = [
            list(map(encode, values))
            for encode, values in zip(self._encodes, zip(*rows, strict=True), strict=True)
            if encode is not None
        ]
        return list(map(self._template.__mod__, zip(*columns, strict=True)))


def encoder_of(model: Any, queue: str | None) -> Encoder | None:
    """The encoder for ``model`` as ``queue`` may see it; None where an instance must tell its data itself."""
    if model.CQRS_SERIALIZER is not None or _overrides(model, "to_cqrs_dict") or _asks_instances(model):
        return None
    own: list[Any] = [model._meta.get_field(name) for name in OWN_FIELDS]
    encoder = Encoder([*fields_for(model, queue), *own])
    return encoder if encoder.is_whole else None


def _asks_instances(model: Any) -> bool:
    return _overrides(model, "is_sync_instance") and model.cqrs_sync_filter() is None


def _overrides(model: Any, name: str) -> bool:
    return getattr(model, name) is not getattr(RawMasterMixin, name)


def _encode_of(field: Field[Any, Any]) -> Encode | None:
    """How a value of ``field`` is written, by the exact class that holds it; None for a class that is not known."""
    target = target_of(field)
    if type(target) is models.JSONField:
        return _json_by(target)
    encode = ENCODES.get(type(target))
    if encode is None:
        return None
    nothing = '""' if isinstance(target, models.FileField) else "null"
    return lambda value: nothing if value is None else encode(value)


def _json_by(field: Any) -> Encode:
    return lambda value: json.dumps(value, cls=field.encoder)


def _boolean(value: Any) -> str:
    return "true" if value else "false"


def _text(value: Any) -> str:
    return f'"{value}"'


def _day(value: Any) -> str:
    return f'"{value.isoformat()}"'


def _moment(value: Any) -> str:
    return _plain(value) if value.tzinfo is None else f'"{value.isoformat()}"'


def _plain(value: Any) -> str:
    return json.dumps(encode_value(value))


ENCODES: dict[type, Encode] = {
    **dict.fromkeys((*INTEGERS, RevisionField), str),
    **dict.fromkeys((*STRINGS, models.FileField, models.ImageField, models.GenericIPAddressField), quoted),
    **dict.fromkeys((models.DecimalField, models.UUIDField), _text),
    models.BooleanField: _boolean,
    **dict.fromkeys((models.DateField, models.TimeField), _day),
    models.DateTimeField: _moment,
    **dict.fromkeys((models.FloatField, models.DurationField, models.BinaryField), _plain),
}
"""Exactly these classes: what inherits from them may hold its values another way."""
