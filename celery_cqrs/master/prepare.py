"""Claimed rows become messages: planned per key, the instances read in bulk as they are now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError

from celery_cqrs import conf
from celery_cqrs.border import result_or_error
from celery_cqrs.database import clock
from celery_cqrs.exceptions import SerializationFailed
from celery_cqrs.master.coalesce import Planned, coalesce
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Outbox
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.serialize import key_text, key_value, plain_key

KNOWN = tuple(SignalType)
UNKNOWN_TYPE = "The signal type is not known here; a newer celery_cqrs wrote the row. Upgrade this process."
Key = tuple[str, str]
"""cqrs_id and key text."""


@dataclass(frozen=True)
class Prepared:
    """A message with the rows that it settles, for one queue."""

    queue: str
    message: Message
    rows: tuple[Outbox, ...]

    @cached_property
    def wire(self) -> dict[str, Any]:
        """The message as it travels."""
        return self.message.to_dict()


@dataclass
class Preparation:
    """What claimed rows came to: messages to send, rows that need none, and rows that failed, with the error."""

    messages: list[Prepared] = field(default_factory=list)
    needless: list[Outbox] = field(default_factory=list)
    failed: list[tuple[tuple[Outbox, ...], str]] = field(default_factory=list)


def prepare(using: str, rows: Sequence[Outbox], stamp: datetime) -> Preparation:
    """Plan, read and encode ``rows``; each bad row fails alone."""
    plans = coalesce([row for row in rows if row.signal_type in KNOWN])
    states = _States(using, plans)
    result = Preparation()
    result.failed += [((row,), UNKNOWN_TYPE) for row in rows if row.signal_type not in KNOWN]
    for plan in plans:
        try:
            message = _message(plan, states, stamp)
        except SerializationFailed as error:
            result.failed.append((plan.rows, str(error)))
            continue
        if message is None:
            result.needless.extend(plan.rows)
        else:
            result.messages.append(Prepared(plan.last.queue, message, plan.rows))
    return result


def _message(plan: Planned, states: _States, stamp: datetime) -> Message | None:
    """The message of ``plan``, or None for a row that is gone: its DELETE has been captured by whoever deleted it."""
    is_delete = plan.signal_type is SignalType.DELETE
    data = _delete_data(plan.last) if is_delete else states.data_of(plan.last)
    if data is None:
        return None
    ttl = conf.master.CQRS_MESSAGE_TTL
    return Message(
        signal_type=plan.signal_type,
        cqrs_id=plan.last.cqrs_id,
        instance_data=data,
        instance_pk=_plain_key(plan.last),
        queue=plan.last.queue if plan.last.direct else None,
        previous_data=plan.previous_data,
        correlation_id=plan.last.correlation_id,
        expires=None if ttl is None else stamp + timedelta(seconds=ttl),
        meta=plan.last.meta,
        captured_at=clock.from_field(plan.rows[0].captured_at),
        outbox_ids=tuple(row.id for row in plan.rows),
    )


def _delete_data(row: Outbox) -> dict[str, Any]:
    captured_at = clock.from_field(row.captured_at)
    data = {
        "id": _plain_key(row),
        "cqrs_revision": row.revision,
        "cqrs_updated": captured_at.isoformat() if captured_at else None,
    }
    return data if not row.custom else {**data, "custom": row.custom}


def _plain_key(row: Outbox) -> Any:
    model = MasterRegistry.get_model_by_cqrs_id(row.cqrs_id)
    if model is None:
        raise _unknown(row.cqrs_id, row.pk_text)
    try:
        return plain_key(model, row.pk_text)
    except (ValidationError, ValueError, TypeError) as error:  # the type of the primary key has changed since
        raise _failure(model, row.pk_text, error) from error


class _States:
    """The present state of the planned keys: one query per model, encoded when asked for, once for all queues."""

    def __init__(self, using: str, plans: Sequence[Planned]) -> None:
        self._using = using
        self._encoded: dict[Key, dict[str, Any] | SerializationFailed | None] = {}
        wanted: dict[str, set[str]] = defaultdict(set)
        for plan in plans:
            if plan.signal_type is not SignalType.DELETE:
                wanted[plan.last.cqrs_id].add(plan.last.pk_text)
        for cqrs_id, keys in wanted.items():
            self._read(cqrs_id, sorted(keys))

    def data_of(self, row: Outbox) -> dict[str, Any] | None:
        """The encoded instance of ``row``; None when it is gone; raises SerializationFailed."""
        found = self._encoded.get((row.cqrs_id, row.pk_text))
        if isinstance(found, SerializationFailed):
            raise found
        return found

    def _read(self, cqrs_id: str, keys: Sequence[str]) -> None:
        """Encode ``keys``; when that fails, halve them until the bad key stands alone."""
        model = MasterRegistry.get_model_by_cqrs_id(cqrs_id)
        if model is None:
            self._encoded |= {(cqrs_id, key): _unknown(cqrs_id, key) for key in keys}
            return
        found = result_or_error(self._encode, model, keys)
        if not isinstance(found, Exception):
            self._encoded |= found
        elif len(keys) == 1:
            self._encoded[(cqrs_id, keys[0])] = _failure(model, keys[0], found)
        else:
            middle = len(keys) // 2
            self._read(cqrs_id, keys[:middle])
            self._read(cqrs_id, keys[middle:])

    def _encode(self, model: Any, keys: Sequence[str]) -> dict[Key, Any]:
        """The states of ``keys`` that are there and pass the filter, which is asked again about what will be seen."""
        rows = model.relate_cqrs_serialization(model._base_manager.using(self._using))
        found = {key_text(model, one.pk): one for one in rows.filter(pk__in=[key_value(model, key) for key in keys])}
        if found.keys() - set(keys):
            found |= _found_alike(model, rows, [key for key in keys if key not in found])
        wanted = {key: one for key, one in found.items() if one.is_sync_instance()}
        return {(model.CQRS_ID, key): _encoded(one, self._using) for key, one in wanted.items()}


def _found_alike(model: Any, rows: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Where a collation takes "a" and "A" for one key, a row is found under a key that it spells another way."""
    found = {key: rows.filter(pk=key_value(model, key)).first() for key in keys}
    return {key: one for key, one in found.items() if one is not None}


def _encoded(instance: Any, using: str) -> dict[str, Any]:
    """The plain values of ``instance``; json.dumps raises here, not in the transport, for what JSON cannot carry."""
    data: dict[str, Any] = instance.to_cqrs_dict(using=using, sync=True)
    json.dumps(data)
    return data


def _failure(model: Any, key: str, error: Exception) -> SerializationFailed:
    if isinstance(error, SerializationFailed):
        return error
    return SerializationFailed(model=model.__name__, pk=key, problem=f"{type(error).__name__}: {error}")


def _unknown(cqrs_id: str, key: str) -> SerializationFailed:
    return SerializationFailed(model=cqrs_id, pk=key, problem="no master model has this CQRS_ID. Bring it back.")
