"""Registers replica models as their classes are made, and refuses mappings that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models.base import ModelBase

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica.mapping import OWN_FIELDS


class ReplicaMeta(ModelBase):
    """Registers a replica model when its class is made."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any) -> Any:
        """Make and register the class; a proxy or child without a CQRS_ID of its own is covered by its parent."""
        model: Any = super().__new__(mcs, name, bases, attrs, **kwargs)
        if not model._meta.abstract and not mcs._is_covered(model):
            mcs.register(model)
        return model

    @staticmethod
    def register(model: Any) -> Any:
        """Check and register ``model``, which inherits RawReplicaMixin; returns it. Raises ModelRefused."""
        if getattr(model, "CQRS_MAPPING", None) is not None:
            _check_mapping(model)
        ReplicaRegistry.register_model(model)
        return model

    @staticmethod
    def _is_covered(model: Any) -> bool:
        known = ReplicaRegistry.models.get(model.CQRS_ID)
        return known is not None and "CQRS_ID" not in vars(model) and issubclass(model, known)


def _check_mapping(model: Any) -> None:
    if not isinstance(model.CQRS_MAPPING, Mapping):
        raise ModelRefused(
            model=model.__name__, problem="CQRS_MAPPING must be a dict: field of the master → field here."
        )
    names = list(model.CQRS_MAPPING.values())
    known = {name for field in model._meta.concrete_fields for name in (field.name, field.attname)}
    own = [ours for theirs, ours in model.CQRS_MAPPING.items() if ours in OWN_FIELDS and theirs != ours]
    problem = None
    if len(set(names)) != len(names):
        problem = "CQRS_MAPPING maps two fields of the master to one."
    elif not {model._meta.pk.name, model._meta.pk.attname} & set(names):
        problem = f"CQRS_MAPPING must reach the primary key, {model._meta.pk.name!r}."
    elif own:
        problem = f"CQRS_MAPPING fills {own[0]} with something else, and the guard against old messages needs it."
    elif set(names) - known:
        problem = f"CQRS_MAPPING names fields it does not have: {', '.join(sorted(set(names) - known))}."
    if problem:
        raise ModelRefused(model=model.__name__, problem=problem)
