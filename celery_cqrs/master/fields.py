"""CQRS_FIELDS: which fields travel, the same ones to every replica or to each queue its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Field

from celery_cqrs.exceptions import ModelRefused

ALL_FIELDS = "__all__"
OWN_FIELDS = ("cqrs_revision", "cqrs_updated")


def differs_by_queue(model: Any) -> bool:
    """Whether CQRS_FIELDS of ``model`` is a dict of queues."""
    return isinstance(model.CQRS_FIELDS, Mapping)


def is_named(model: Any, queue: str) -> bool:
    """Whether CQRS_FIELDS of ``model`` says what ``queue`` may see."""
    return not differs_by_queue(model) or queue in model.CQRS_FIELDS


def demand_named(model: Any, queue: str) -> None:
    """Raise ModelRefused unless CQRS_FIELDS of ``model`` says what ``queue`` may see."""
    if not is_named(model, queue):
        problem = f'CQRS_FIELDS does not name queue {queue!r}. Name it, with a list of fields or "{ALL_FIELDS}".'
        raise ModelRefused(model=model.__name__, problem=problem)


def fields_for(model: Any, queue: str | None = None) -> list[Field[Any, Any]]:
    """The fields of ``model`` that travel to ``queue``, None for any queue, without revision and time of change.

    Raises ModelRefused for a queue that CQRS_FIELDS does not name.
    """
    chosen = _chosen(model, queue)
    fields = [field for field in model._meta.concrete_fields if field.name not in OWN_FIELDS]
    return fields if chosen == ALL_FIELDS else [field for field in fields if field.name in chosen]


def view_of(model: Any, queue: str) -> str | None:
    """The first queue that sees the same fields as ``queue``; None where all queues do. Raises as ``fields_for``."""
    if not differs_by_queue(model):
        return None
    seen = fields_for(model, queue)
    alike: str = next(other for other in model.CQRS_FIELDS if fields_for(model, other) == seen)
    return alike


def visible(model: Any, queue: str, values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Those of the previous ``values``, by field name, that ``queue`` may see. Raises as ``fields_for``."""
    if values is None or not differs_by_queue(model):
        return values
    names = {field.name for field in fields_for(model, queue)}
    return {name: value for name, value in values.items() if name in names}


def check_fields(model: Any) -> None:
    """Raise ModelRefused unless CQRS_FIELDS and CQRS_SERIALIZER of ``model`` make sense."""
    if model.CQRS_FIELDS != ALL_FIELDS and model.CQRS_SERIALIZER is not None:
        raise ModelRefused(model=model.__name__, problem="CQRS_FIELDS can't be set together with CQRS_SERIALIZER.")
    problem = next(_problems(model), None)
    if problem:
        raise ModelRefused(model=model.__name__, problem=problem)


def _chosen(model: Any, queue: str | None) -> Any:
    if not differs_by_queue(model):
        return model.CQRS_FIELDS
    if queue is not None:
        demand_named(model, queue)
        return model.CQRS_FIELDS[queue]
    choices = list(model.CQRS_FIELDS.values())
    return ALL_FIELDS if ALL_FIELDS in choices else {name for names in choices for name in names}


def _problems(model: Any) -> Iterator[str]:
    if not differs_by_queue(model):
        yield from _problems_of(model, "CQRS_FIELDS", model.CQRS_FIELDS)
        return
    if not model.CQRS_FIELDS:
        yield f'CQRS_FIELDS names no queue. Write queue → list of field names, or "{ALL_FIELDS}" instead of the dict.'
    for queue, names in model.CQRS_FIELDS.items():
        if not isinstance(queue, str):
            yield f"CQRS_FIELDS names {queue!r}, which is no queue."
        yield from _problems_of(model, f"CQRS_FIELDS[{queue!r}]", names)


def _problems_of(model: Any, place: str, names: Any) -> Iterator[str]:
    known = {field.name for field in model._meta.concrete_fields}
    if names == ALL_FIELDS:
        return
    if not _is_list_of_names(names):
        yield f'{place} must be "{ALL_FIELDS}" or a list of field names without repetition.'
    elif set(names) - known:
        yield f"{place} names fields it does not have: {', '.join(sorted(set(names) - known))}."
    elif model._meta.pk.name not in names:
        yield f"{place} must contain the primary key, {model._meta.pk.name!r}."


def _is_list_of_names(names: Any) -> bool:
    is_list = isinstance(names, list | tuple | set | frozenset) and all(isinstance(name, str) for name in names)
    return is_list and len(set(names)) == len(names)
