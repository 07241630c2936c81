"""Replica models that cannot hold what their masters send, or hold it worse than they could.

The master's model is in another service: what is judged here can be seen on the replica alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.db import connections, models, router

from celery_cqrs import conf
from celery_cqrs.checks.problems import error, warning
from celery_cqrs.database.limits import UNLIMITED
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica.mapping import OWN_FIELDS, is_required, writable_fields
from celery_cqrs.replica.mixin import RawReplicaMixin, ReplicaMixin
from celery_cqrs.replica.path import HOOKS

OWN_KINDS: dict[str, type[Any]] = {"cqrs_revision": models.IntegerField, "cqrs_updated": models.DateTimeField}


def check_drift() -> Iterator[CheckMessage]:
    """Every replica model: what can never work, then what will be regretted."""
    for cqrs_id, model in ReplicaRegistry.models.items():
        yield from _check_async(cqrs_id, model)
        if model.CQRS_NO_DB_OPERATIONS:
            yield from _check_hooks(cqrs_id, model)
            continue
        for check in (_check_own_fields, _check_reach, _check_times, _check_unique, _check_parents):
            yield from check(cqrs_id, model)
    yield from _check_timeout()


def stored() -> dict[str, Any]:
    """The replica models whose rows the package writes."""
    return {cqrs_id: one for cqrs_id, one in ReplicaRegistry.models.items() if not one.CQRS_NO_DB_OPERATIONS}


def _check_async(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    for hook in HOOKS:
        if inspect.iscoroutinefunction(getattr(model, hook, None)):
            sentence = f"{hook} of replica model {cqrs_id!r} is async, and nobody would await it."
            yield error(12, sentence, "Make it an ordinary function; asgiref's async_to_sync may call others.")


def _check_hooks(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    if not _has_own_save(model):
        hint = "Write a cqrs_save (and a cqrs_delete), or let the package write rows."
        yield error(12, f"replica model {cqrs_id!r} has no database operations and no cqrs_save of its own.", hint)


def _has_own_save(model: Any) -> bool:
    of_package = [vars(mixin)["cqrs_save"].__func__ for mixin in (RawReplicaMixin, ReplicaMixin)]
    return getattr(model.cqrs_save, "__func__", model.cqrs_save) not in of_package


def _check_own_fields(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    found: dict[str, Any] = {field.name: field for field in model._meta.concrete_fields}
    for name, kind in OWN_KINDS.items():
        field = found.get(name)
        if not isinstance(field, kind) or field.primary_key:
            sentence = f"replica model {cqrs_id!r} has no {name} of the kind {kind.__name__}."
            yield error(12, sentence, "Remove what it puts in its place: the guard against old messages needs it.")


def _check_reach(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    """With a mapping it is known which fields will never be filled."""
    if model.CQRS_MAPPING is None or model.CQRS_CUSTOM_SERIALIZATION or _has_own_save(model):
        return
    reached = {*OWN_FIELDS, *model.CQRS_MAPPING.values()}
    for field in model._meta.concrete_fields:
        is_reached = field.name in reached or field.attname in reached
        if is_reached and getattr(field, "generated", False):
            yield error(
                12, f"CQRS_MAPPING of {cqrs_id!r} names {field.name!r}, which the database generates.", "Take it out."
            )
        if not is_reached and is_required(field):
            sentence = f"CQRS_MAPPING of {cqrs_id!r} does not reach {field.name!r}, which may not be null."
            yield error(12, sentence, "Map it, give it a default, or let it be null: no message could be applied.")


def _check_times(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    for field in _from_master(model):
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            sentence = f"{field.name!r} of replica model {cqrs_id!r} writes its own time over that of the master."
            hint = "Remove auto_now and auto_now_add; for a time of your own, name the master's fields in CQRS_MAPPING."
            yield warning(11, sentence, hint)


def _check_unique(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    meta = model._meta.concrete_model._meta
    referred = {one.field.target_field.name for one in meta.related_objects if hasattr(one.field, "target_field")}
    names = [one.name for one in meta.concrete_fields if _is_unique(one) and one.name not in referred]
    names += [one.name for one in meta.constraints if isinstance(one, models.UniqueConstraint)]
    names += [" + ".join(group) for group in meta.unique_together]
    if names:
        sentence = f"replica model {cqrs_id!r} demands uniqueness itself: {', '.join(names)}."
        hint = (
            "Use an index: the master sees to it, and here a row whose value another one has just given up must wait "
            "for that one's message."
        )
        yield warning(12, sentence, hint)


def _is_unique(field: Any) -> bool:
    return bool(field.unique) and not field.primary_key and not field.one_to_one


def _check_parents(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    known = {one._meta.concrete_model for one in stored().values()}
    for field in _from_master(model):
        if not field.is_relation or not field.db_constraint or field.remote_field.parent_link:
            continue
        is_sent = not field.null or model.CQRS_MAPPING is not None
        if is_sent and field.related_model._meta.concrete_model not in known:
            parent = field.related_model.__name__
            sentence = f"{field.name!r} of replica model {cqrs_id!r} refers to {parent}, which is no replica model."
            hint = f"Where nothing else fills {parent}, replicate it too, or set db_constraint=False."
            yield warning(13, sentence, hint)


def _from_master(model: Any) -> list[Any]:
    """The fields that messages fill, as far as that can be seen here."""
    fields = writable_fields(model)
    if model.CQRS_CUSTOM_SERIALIZATION or _has_own_save(model):
        return []
    if model.CQRS_MAPPING is None:
        return fields
    names = {*OWN_FIELDS, *model.CQRS_MAPPING.values()}
    return [field for field in fields if field.name in names or field.attname in names]


def _check_timeout() -> Iterator[CheckMessage]:
    aliases = {router.db_for_write(model) for model in stored().values()}
    for using in sorted(aliases if conf.replica.CQRS_QUERY_TIMEOUT else ()):
        if connections[using].vendor in UNLIMITED:
            sentence = f'CQRS["replica"]["CQRS_QUERY_TIMEOUT"] has no effect on database {using!r}.'
            yield warning(3, sentence, "SQLite has no limit for a statement: remove the setting, or silence W003.")
