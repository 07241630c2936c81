"""Time that passes in a test: no clock is touched, all that has happened moves into the past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.db.models import DateTimeField, F

from celery_cqrs.transport.memory import MemoryTransport

MOMENTS = ("sent_at", "captured_at", "expires")


def pass_time(back: timedelta, using: Iterable[str] = (DEFAULT_DB_ALIAS,)) -> None:
    """Make our rows in these databases, and what is under way, so much older.

    Retries become due, messages expire, what was not confirmed is late. Your own tables stay as they are.
    """
    for model in apps.get_app_config("celery_cqrs").get_models():
        moments = [field.name for field in model._meta.concrete_fields if isinstance(field, DateTimeField)]
        for alias in using if moments else ():
            model._base_manager.using(alias).update(**{name: F(name) - back for name in moments})
    for waiting in MemoryTransport.queues.values():
        for index, envelope in enumerate(waiting):
            waiting[index] = replace(envelope, payload=_earlier(envelope.payload, back))


def _earlier(payload: Any, back: timedelta) -> Any:
    if isinstance(payload, list):
        return [_earlier(one, back) for one in payload]
    if not isinstance(payload, dict):
        return payload
    moments = {name: payload[name] for name in MOMENTS if isinstance(payload.get(name), str)}
    moved = {name: (datetime.fromisoformat(value) - back).isoformat() for name, value in moments.items()}
    nested = {name: _earlier(payload[name], back) for name in ("messages", "batches") if name in payload}
    return {**payload, **moved, **nested}
