"""What an instance tells: by CQRS_SERIALIZER, a class of the project's that takes it and has ``data``; expressions."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from celery_cqrs.exceptions import ModelRefused, SerializationFailed
from celery_cqrs.serialize import to_plain


def serializer_data(instance: Any) -> dict[str, Any]:
    """What the serializer of ``instance`` makes of it, as plain values. Raises ModelRefused, SerializationFailed."""
    try:
        serializer = import_string(instance.CQRS_SERIALIZER)
    except ImportError as error:
        problem = f"CQRS_SERIALIZER {instance.CQRS_SERIALIZER!r} can't be imported ({error})."
        raise ModelRefused(model=type(instance).__name__, problem=problem) from error
    data = serializer(instance).data
    if not isinstance(data, dict):
        problem = f"the data of CQRS_SERIALIZER must be a dict, not {type(data).__name__}."
        raise SerializationFailed(model=type(instance).__name__, pk=instance.pk, problem=problem)
    plain: dict[str, Any] = to_plain(data)
    return plain


def resolve_expressions(instance: Any) -> None:
    """Read the fields of ``instance`` that hold F() and its like, which only the database knows."""
    held = [
        field.attname
        for field in instance._meta.concrete_fields
        if hasattr(instance.__dict__.get(field.attname), "resolve_expression")
    ]
    if held:
        instance.refresh_from_db(fields=held)


def read_anew(instance: Any, using: str | None) -> Any:
    """The stored row of ``instance``, with the relations that its serializer needs."""
    stored = type(instance)._base_manager.using(using or instance._state.db)
    return instance.relate_cqrs_serialization(stored).get(pk=instance.pk)
