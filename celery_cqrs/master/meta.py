"""Registers master models as their classes are made, and refuses the ones that make no sense."""

from __future__ import annotations

from typing import Any

from django.db.models.base import ModelBase

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master import tracking
from celery_cqrs.registry import MasterRegistry

ALL_FIELDS = "__all__"


class MasterMeta(ModelBase):
    """Registers a master model when its class is made."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any) -> Any:
        """Make and register the class; a proxy or child without a CQRS_ID of its own travels as its parent."""
        model: Any = super().__new__(mcs, name, bases, attrs, **kwargs)
        if not model._meta.abstract and not mcs._is_covered(model):
            mcs.register(model)
        return model

    @staticmethod
    def register(model: Any) -> Any:
        """Check and register ``model``, which inherits RawMasterMixin; returns it. Raises ModelRefused."""
        check_fields(model)
        if model.CQRS_TRACKED_FIELDS is not None:
            tracking.track(model)
        MasterRegistry.register_model(model)
        return model

    @staticmethod
    def _is_covered(model: Any) -> bool:
        known = MasterRegistry.models.get(model.CQRS_ID)
        return known is not None and "CQRS_ID" not in vars(model) and issubclass(model, known)


def check_fields(model: Any) -> None:
    """Raise ModelRefused unless CQRS_FIELDS and CQRS_SERIALIZER of ``model`` make sense."""
    fields = model.CQRS_FIELDS
    if model._meta.pk.column is None:
        raise ModelRefused(model=model.__name__, problem="composite primary keys are not supported.")
    if fields == ALL_FIELDS:
        return
    names = {field.name for field in model._meta.concrete_fields}
    problem = None
    if model.CQRS_SERIALIZER is not None:
        problem = "CQRS_FIELDS can't be set together with CQRS_SERIALIZER."
    elif not isinstance(fields, list | tuple | set | frozenset) or len(set(fields)) != len(fields):
        problem = f'CQRS_FIELDS must be "{ALL_FIELDS}" or a list of field names without repetition.'
    elif set(fields) - names:
        problem = f"CQRS_FIELDS names fields it does not have: {', '.join(sorted(set(fields) - names))}."
    elif model._meta.pk.name not in fields:
        problem = f"CQRS_FIELDS must contain the primary key, {model._meta.pk.name!r}."
    if problem:
        raise ModelRefused(model=model.__name__, problem=problem)
