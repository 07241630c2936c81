"""Step 5, one message: through the documented hooks of the replica model. The guard has spoken, the key is held."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from celery_cqrs.exceptions import HookRefused
from celery_cqrs.message import Message, SignalType
from celery_cqrs.replica.hold import Held
from celery_cqrs.replica.manager import ReplicaManager
from celery_cqrs.replica.mapping import map_key, primary_key_in
from celery_cqrs.replica.mixin import ReplicaMixin


def key_of(model: Any, message: Message) -> str:
    """The key of ``message`` as ``model`` holds it, as text; raises MappingFailed."""
    if message.signal_type is SignalType.DELETE:
        return map_key(model, message.instance_data["id"])
    return map_key(model, primary_key_in(model, message.instance_data))


def write(held: Held, key: str, message: Message) -> None:
    """Save or delete ``key`` as ``message`` says. Raises HookRefused for a falsy answer, and what hooks raise."""
    if message.signal_type is SignalType.DELETE:
        _delete(held, key, message)
    else:
        _save(held, key, _for_hooks(message))


def call_hooks(model: Any, message: Message) -> None:
    """All of ``write`` for models without database operations or with outermost hooks of their own."""
    message = _for_hooks(message)
    if message.signal_type is SignalType.DELETE:
        _demand(model, "cqrs_delete", model.cqrs_delete(dict(message.instance_data), **_meta(model, message)))
        return
    extra: dict[str, Any] = {"previous_data": message.previous_data, **_meta(model, message)}
    if message.signal_type is SignalType.SYNC:
        extra["sync"] = True
    _demand(model, "cqrs_save", model.cqrs_save(dict(message.instance_data), **extra))


def _for_hooks(message: Message) -> Message:
    """Data that hooks may change as they like: the next try gets them as they came."""
    own = {name: deepcopy(getattr(message, name)) for name in ("instance_data", "previous_data", "meta")}
    return replace(message, **own)


def _save(held: Held, key: str, message: Message) -> None:
    model = held.model
    if _overrides(model, "cqrs_save", "save_instance"):
        call_hooks(model, message)
    else:
        hook = "cqrs_create" if held.row(key) is None else "cqrs_update"
        _demand(model, hook, model.cqrs.save_held(held, key, message))


def _delete(held: Held, key: str, message: Message) -> None:
    if _overrides(held.model, "cqrs_delete", "delete_instance"):
        call_hooks(held.model, message)
    else:
        held.model.cqrs.delete_held(held, key)
    held.bury(key, message.revision)


def _overrides(model: Any, hook: str, method: str) -> bool:
    own_hook = getattr(getattr(model, hook), "__func__", None) is not getattr(ReplicaMixin, hook).__func__
    return own_hook or getattr(type(model.cqrs), method) is not getattr(ReplicaManager, method)


def _meta(model: Any, message: Message) -> dict[str, Any]:
    return {"meta": message.meta} if model.CQRS_META else {}


def _demand(model: Any, hook: str, value: Any) -> None:
    """The one place where a falsy answer, which django-cqrs documents as failure, becomes an error."""
    if not value:
        raise HookRefused(model=model.__name__, hook=hook, value=value)
