"""What code of the project says about a change: whether it is sent, previous values, custom data, meta, correlation id.

It runs in the caller's thread, where the state of the request lives, and cannot be asked again later. What it cannot
say undoes nothing: the change is captured with the error, and waits for a person or for a newer change of its row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.utils import timezone
from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.border import result_or_error
from celery_cqrs.columns import encode_plain
from celery_cqrs.master import tracking
from celery_cqrs.message import SignalType
from celery_cqrs.serialize import encode_instance, to_plain


@dataclass(frozen=True)
class Added:
    """One document as JSON text, or None; ``fault`` says why it is missing."""

    text: str | None = None
    fault: str = ""


NOTHING = Added()


def is_wanted(model: Any, instance: Any) -> bool:
    """Whether this change may be sent. Who cannot ask the filter here, or is to delete what leaves, asks when sending.

    A registered parent or child has a filter of its own, and other classes of the row (a proxy, say) have theirs.
    """
    if model.CQRS_DELETE_ON_LEAVE or not isinstance(instance, model._meta.concrete_model):
        return True
    asked = type(instance) if type(instance).CQRS_ID == model.CQRS_ID else model
    answer = _asked(asked.is_sync_instance, instance)
    return isinstance(answer, Exception) or bool(answer)


def custom_data(instance: Any) -> Added:
    """What travels with the deletion of ``instance``."""
    return _added("get_custom_cqrs_delete_data", instance.get_custom_cqrs_delete_data)


def previous_data(model: Any, values: tracking.Previous) -> Added:
    """Those of the previous ``values`` that ``model`` tracks."""
    return NOTHING if values is None else _added("CQRS_TRACKED_FIELDS", tracking.tracked_by, model, values)


def meta(model: Any, signal_type: SignalType, instance: Any, previous: tracking.Previous, custom: Added) -> Added:
    """The meta of a change; a CQRS_SERIALIZER has its turn later."""
    return _added("get_cqrs_meta", _meta, signal_type, instance, previous, custom) if model.has_cqrs_meta() else NOTHING


def correlation_id(signal_type: SignalType, cqrs_id: str, pk: Any, queue: str) -> Added:
    """The correlation id of a change for one queue: a text or a number."""
    function = conf.master.correlation_function
    if function is None:
        return NOTHING
    return _added("correlation_function", _correlation_id, function, signal_type, cqrs_id, pk, queue)


def _meta(signal_type: SignalType, instance: Any, previous: tracking.Previous, custom: Added) -> Any:
    is_delete = signal_type is SignalType.DELETE
    data = _delete_data(instance, custom) if is_delete else encode_instance(instance, instance._meta.concrete_fields)
    known = previous if isinstance(previous, Mapping) else None
    return instance.get_cqrs_meta(instance_data=data, previous_data=known, signal_type=signal_type)


def _delete_data(instance: Any, custom: Added) -> dict[str, Any]:
    """What a DELETE carries, as far as memory knows: the revision that travels is the database's + 1."""
    data = {"id": instance.pk, "cqrs_revision": instance.cqrs_revision + 1, "cqrs_updated": timezone.now().isoformat()}
    told = None if custom.text is None else json.loads(custom.text)
    return {**data, "custom": told} if told else data


def _correlation_id(function: Any, *facts: Any) -> Any:
    made = (import_string(function) if isinstance(function, str) else function)(*facts)
    return made if made is None or isinstance(made, str | int) else str(made)


def _added(name: str, function: Callable[..., Any], *arguments: Any) -> Added:
    made = _asked(lambda: encode_plain(to_plain(function(*arguments))))
    if not isinstance(made, Exception):
        return Added(made)
    return Added(fault=f"{name} failed with {type(made).__name__}: {made}")


def _asked(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` returns or raises; but an error of the database may have broken the caller's transaction."""
    made = result_or_error(function, *arguments)
    if isinstance(made, DatabaseError):
        raise made
    return made
