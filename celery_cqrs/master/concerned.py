"""Whom a change concerns: the registered models whose rows it may have changed, their keys, and their queues."""

from __future__ import annotations

from typing import Any

from celery_cqrs import conf
from celery_cqrs.exceptions import SettingRefused
from celery_cqrs.master.fields import demand_named
from celery_cqrs.registry import MasterRegistry


def registered_for_save(model: type) -> list[Any]:
    """Registered models whose rows a save of ``model`` may have changed: its own, its ancestors', its descendants'."""
    return [known for known in MasterRegistry.models.values() if issubclass(model, known) or _descends(known, model)]


def registered_for_delete(model: Any) -> list[Any]:
    """Registered models of the very table of ``model``; Django signals each table of a multi-table row by itself."""
    table = model._meta.concrete_model
    return [known for known in MasterRegistry.models.values() if known._meta.concrete_model is table]


def pk_of(registered: Any, instance: Any) -> Any:
    """The key of ``instance`` in the table of ``registered``; with two parent tables each has a key of its own."""
    return instance._get_pk_val(registered._meta) if isinstance(instance, registered) else instance.pk


def queues_of(model: Any, queue: str | None = None) -> list[str]:
    """The queues that get ``model``, or ``queue`` alone. Raises SettingRefused and ModelRefused when it does not."""
    queues = conf.queues_for(model.CQRS_ID) if model.CQRS_PRODUCE else []
    if queue is None or not model.CQRS_PRODUCE:
        return queues
    if queue not in queues:  # the setting decides who may see the data, also for a sync by hand
        problem = f"queue {queue!r} does not get {model.CQRS_ID!r}. Add the id there, or name one of {queues}."
        raise SettingRefused(path='["master"]["replicas"]', problem=problem)
    demand_named(model, queue)
    return [queue]


def _descends(known: Any, model: Any) -> bool:
    return issubclass(known, model._meta.concrete_model)
