"""Registers master models as their classes are made, and refuses the ones that make no sense."""

from __future__ import annotations

from typing import Any

from django.db.models.base import ModelBase

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master import tracking
from celery_cqrs.master.fields import check_fields
from celery_cqrs.registry import MasterRegistry


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
        if model._meta.pk.column is None:
            raise ModelRefused(model=model.__name__, problem="composite primary keys are not supported.")
        check_fields(model)
        if model.CQRS_TRACKED_FIELDS is not None:
            tracking.track(model)
        MasterRegistry.register_model(model)
        return model

    @staticmethod
    def _is_covered(model: Any) -> bool:
        known = MasterRegistry.models.get(model.CQRS_ID)
        return known is not None and "CQRS_ID" not in vars(model) and issubclass(model, known)
