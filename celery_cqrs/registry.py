"""CQRS_ID → model, one registry for each side."""

from __future__ import annotations

from typing import Any, ClassVar

from celery_cqrs.exceptions import ModelRefused

NAME_LENGTH = 200
"""The longest CQRS_ID, as the tables hold it."""


class Registry:
    """Models of one side by their CQRS_ID."""

    models: ClassVar[dict[str, Any]] = {}

    @classmethod
    def register_model(cls, model: Any) -> None:
        """Add ``model``; raises ModelRefused when its CQRS_ID is missing or taken."""
        if not isinstance(model.CQRS_ID, str) or not model.CQRS_ID:
            raise ModelRefused(model=model.__name__, problem="CQRS_ID must be set to a text of its own.")
        if len(model.CQRS_ID) > NAME_LENGTH:
            problem = f"CQRS_ID may have {NAME_LENGTH} characters, and has {len(model.CQRS_ID)}."
            raise ModelRefused(model=model.__name__, problem=problem)
        holder = cls.models.get(model.CQRS_ID, model)
        if holder is not model and not _same_place(holder, model):
            problem = f"two models can't have the same CQRS_ID: {model.CQRS_ID!r} is taken by {holder.__name__}."
            raise ModelRefused(model=model.__name__, problem=problem)
        cls.models[model.CQRS_ID] = model

    @classmethod
    def get_model_by_cqrs_id(cls, cqrs_id: str) -> Any:
        """The model with this id, or None."""
        return cls.models.get(cqrs_id)


def _same_place(one: type, other: type) -> bool:
    """A reloaded module defines its models anew; that is not a clash."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


class MasterRegistry(Registry):
    """Models that this service owns."""

    models: ClassVar[dict[str, Any]] = {}


class ReplicaRegistry(Registry):
    """Models that this service holds copies of."""

    models: ClassVar[dict[str, Any]] = {}
