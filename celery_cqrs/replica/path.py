"""Which way the messages of a model go: in bulk, one statement for all, or instance by instance through the hooks.

The bulk path serves models whose rows are written by nothing but the package's own hooks: everything that Django or
the project would run for a single row (hooks, save, signals, fields that compute their value) must have its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections, models
from django.db.models import signals
from django.db.models.deletion import Collector

from celery_cqrs.database.isolation import reads_committed
from celery_cqrs.replica.manager import ReplicaManager
from celery_cqrs.replica.mixin import ReplicaMixin
from celery_cqrs.serialize import target_of

BULK, INSTANCE = "bulk", "instance"
CHOICES = ("auto", BULK, INSTANCE)
HOOKS = ("cqrs_save", "cqrs_create", "cqrs_update", "cqrs_delete")
OF_THE_ROW = ("save", "save_base", "_save_table", "_do_insert", "_do_update")
PLAIN_PRE_SAVES = (
    models.Field.pre_save,
    models.DateField.pre_save,
    models.DateTimeField.pre_save,
    models.TimeField.pre_save,
    models.FileField.pre_save,
)
"""They change nothing of a value that came over the wire, unless auto_now is set."""


@dataclass(frozen=True)
class Path:
    """``bulk`` or not, and why not."""

    bulk: bool
    reason: str = ""


def choose(model: Any, using: str, *, deletes: bool) -> Path:
    """The path for messages of ``model``; the signals of the project are asked anew each time."""
    if model.CQRS_APPLY == INSTANCE:
        return Path(bulk=False, reason="CQRS_APPLY says so")
    reason = _objection(model, connections[using].vendor) or _present_objection(model, using, deletes)
    return Path(bulk=not reason, reason=reason)


def objection(model: Any) -> str:
    """Why ``model`` can never go in bulk, whatever the database; empty when it can."""
    if model.CQRS_NO_DB_OPERATIONS or model.CQRS_CUSTOM_SERIALIZATION:
        return "its data is the hooks' own"
    own = [name for name in HOOKS if _function(model, name) is not _function(ReplicaMixin, name)]
    own += [name for name in OF_THE_ROW if getattr(model, name) is not getattr(models.Model, name)]
    if own:
        return f"it overrides {', '.join(own)}"
    if type(model.cqrs) is not ReplicaManager or not _creates_plainly(model._default_manager):
        return "a manager of its own creates its rows"
    if model._meta.concrete_model._meta.parents:
        return "its rows lie in several tables"
    busy = [field.name for field in model._meta.concrete_fields if not _is_plain(field)]
    return f"these fields compute their values: {', '.join(busy)}" if busy else ""


@cache
def _objection(model: Any, vendor: str) -> str:
    reason = objection(model)
    return reason or OBJECTIONS[vendor](model)


def _present_objection(model: Any, using: str, deletes: bool) -> str:
    if not reads_committed(connections[using]) and connections[using].vendor == "mysql":
        return "its database shows old snapshots"
    if deletes:
        rows = model._base_manager.using(using).all()
        fast = Collector(using=using, origin=rows).can_fast_delete(rows)
        return "" if fast else "others depend on its rows, or listen to deletions"
    listened = signals.pre_save.has_listeners(model) or signals.post_save.has_listeners(model)
    return "somebody listens to its saves" if listened else ""


def _function(owner: Any, name: str) -> Any:
    found = getattr(owner, name)
    return getattr(found, "__func__", found)


def _creates_plainly(manager: Any) -> bool:
    of_manager = type(manager).create is models.Manager.create
    return of_manager and manager._queryset_class.create is models.QuerySet.create


def _is_plain(field: Any) -> bool:
    automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    measured = getattr(field, "width_field", None) or getattr(field, "height_field", None)
    return type(field).pre_save in PLAIN_PRE_SAVES and not automatic and not measured


def _objection_of_mysql(model: Any) -> str:
    """ON DUPLICATE KEY takes any row with an equal unique value for this one, equal as the collation sees it."""
    unique = any(field.unique and not field.primary_key for field in model._meta.concrete_fields)
    if unique or model._meta.unique_together or any(_is_unique(one) for one in model._meta.constraints):
        return "it has a second unique column"
    return "its key is a text" if isinstance(target_of(model._meta.pk), models.CharField | models.TextField) else ""


def _is_unique(constraint: Any) -> bool:
    return isinstance(constraint, models.UniqueConstraint)


def _no_objection(model: Any) -> str:
    return "its key has a collation" if getattr(target_of(model._meta.pk), "db_collation", None) else ""


OBJECTIONS = {"postgresql": _no_objection, "sqlite": _no_objection, "mysql": _objection_of_mysql}
