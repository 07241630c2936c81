"""Master data → replica data: renamed by CQRS_MAPPING, cut to the fields of the model, decoded by their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import NOT_PROVIDED, Field, JSONField, Value

from celery_cqrs.columns import KEY_LENGTH, clean_key
from celery_cqrs.database.arrays import INTEGERS
from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.message import Message
from celery_cqrs.replica.fitting import Check, check_of, rounded
from celery_cqrs.serialize import decode_value, key_text, target_of

OWN_FIELDS = ("cqrs_revision", "cqrs_updated")


def map_data(model: Any, master_data: Mapping[str, Any]) -> dict[str, Any]:
    """What the hooks of ``model`` get for ``master_data``. Raises MappingFailed.

    With CQRS_CUSTOM_SERIALIZATION the renamed data goes through as it is; else excess fields are dropped, values are
    decoded, foreign keys set by value, and a required field that is missing is an error.
    """
    renamed = _rename(model, master_data)
    if model._meta.pk.name not in renamed and model._meta.pk.attname not in renamed:
        raise _failed(model, f"the primary key {model._meta.pk.name!r} is not in it.")
    if model.CQRS_CUSTOM_SERIALIZATION:
        return renamed
    decoded = {
        field.name: _fitting(model, field, check, renamed[name])
        for field, check in _fields(model)
        for name in (field.attname, field.name)
        if name in renamed
    }
    _check_required(model, decoded)
    return decoded


def with_nulls(model: Any, message: Message, fields: Iterable[Any]) -> Message:
    """``message`` without a value for ``fields`` of ``model``."""
    theirs = {ours: name for name, ours in (model.CQRS_MAPPING or {}).items()}
    names = {theirs.get(name, name) for field in fields for name in (field.name, field.attname)}
    return replace(
        message, instance_data={**message.instance_data, **dict.fromkeys(names & message.instance_data.keys())}
    )


def by_attribute(model: Any, mapped_data: Mapping[str, Any]) -> dict[str, Any]:
    """Mapped data by attribute: a foreign key is set by the value it holds, whether its parent is known or not."""
    attributes = {field.name: field.attname for field in model._meta.concrete_fields}
    return {attributes.get(name, name): value for name, value in mapped_data.items()}


def checked_data(model: Any, master_data: Mapping[str, Any], *more: str) -> Mapping[str, Any]:
    """``master_data`` itself, when it has the keys that every write needs. Raises MappingFailed."""
    for name in (*OWN_FIELDS, *more):
        if name not in master_data:
            raise _failed(model, f"{name!r} is not in it.")
    return master_data


def primary_key_in(model: Any, master_data: Mapping[str, Any]) -> Any:
    """The primary key in ``master_data``, under the master's name for it. Raises MappingFailed."""
    for name in _names_of_key(model):
        if name in master_data:
            return master_data[name]
    raise _failed(model, f"the primary key {model._meta.pk.name!r} is not in it.")


@cache
def _names_of_key(model: Any) -> list[str]:
    theirs = {ours: name for name, ours in (model.CQRS_MAPPING or {}).items()}
    return [theirs.get(name, name) for name in (model._meta.pk.name, model._meta.pk.attname)]


def map_previous(model: Any, previous_data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The previous values of the tracked fields under their names here; fields that this model has not are dropped."""
    if previous_data is None or model.CQRS_MAPPING is None:
        return None if previous_data is None else dict(previous_data)
    names = {name for field in model._meta.concrete_fields for name in (field.name, field.attname)}
    mapping = model.CQRS_MAPPING.items()
    return {ours: previous_data[theirs] for theirs, ours in mapping if theirs in previous_data and ours in names}


def map_key(model: Any, value: Any) -> str:
    """The primary key as this model holds it, as text; raises MappingFailed."""
    if type(value) is int and 0 <= value < 2**63 and type(target_of(model._meta.pk)) in INTEGERS:
        return str(value)
    key = _decode(model, model._meta.pk, value)
    if key is None:
        raise _failed(model, "the primary key is null.")
    text = key_text(model, key)
    if text != clean_key(text):
        raise _failed(model, f"the primary key has characters that no key may have, or more than {KEY_LENGTH} of them.")
    if isinstance(key, int) and not -(2**63) <= key < 2**63:
        raise _failed(model, "the primary key has more than 64 bits.")
    return text


def _rename(model: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    if model.CQRS_MAPPING is None:
        return dict(data)
    for theirs in model.CQRS_MAPPING:
        if theirs not in data:
            raise _failed(model, f"CQRS_MAPPING names {theirs!r}, which is not in it.")
    own = {name: data[name] for name in OWN_FIELDS}
    return own | {ours: data[theirs] for theirs, ours in model.CQRS_MAPPING.items()}


@cache
def _fields(model: Any) -> list[tuple[Any, Check | None]]:
    """What messages may fill, each with what says whether a value fits."""
    return [(field, check_of(field)) for field in writable_fields(model)]


def _fitting(model: Any, field: Field[Any, Any], check: Check | None, value: Any) -> Any:
    if value is None and holds_json_null(field):
        return Value(None, JSONField())
    decoded = _decode(model, field, value)
    if decoded is None or check is None:
        return decoded
    try:
        decoded = rounded(field, decoded) if isinstance(value, float) else decoded
        problem = check(decoded)
    except (ValidationError, ArithmeticError) as error:
        raise _unfit(model, field, error) from error
    if problem:
        raise _failed(model, f"field {field.name!r} {problem}")
    return decoded


def holds_json_null(field: Any) -> bool:
    """Whether null is a value of ``field``: JSON's, where the column takes none of SQL's."""
    return isinstance(field, JSONField) and not field.null


def _decode(model: Any, field: Field[Any, Any], value: Any) -> Any:
    try:
        return decode_value(field, value)
    except (ValidationError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise _unfit(model, field, error) from error


def _unfit(model: Any, field: Field[Any, Any], error: Exception) -> MappingFailed:
    return _failed(model, f"field {field.name!r} cannot hold its value ({type(error).__name__}).")


def _check_required(model: Any, decoded: Mapping[str, Any]) -> None:
    missing = [field.name for field in model._meta.concrete_fields if is_required(field) and field.name not in decoded]
    if missing:
        raise _failed(model, f"required fields are missing: {', '.join(missing)}.")
    empty = [name for name, value in decoded.items() if value is None and not model._meta.get_field(name).null]
    if empty:
        raise _failed(model, f"these fields may not be null: {', '.join(empty)}.")


def writable_fields(model: Any) -> list[Any]:
    """All that have a column, but for those that the database generates."""
    return [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]


def is_required(field: Any) -> bool:
    """Whether a row cannot be without a value for ``field`` that came with the message."""
    if field.null or field.has_default() or getattr(field, "generated", False):
        return False
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return False
    return getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED


def _failed(model: Any, problem: str) -> MappingFailed:
    return MappingFailed(cqrs_id=model.CQRS_ID, model=model.__name__, problem=problem)
