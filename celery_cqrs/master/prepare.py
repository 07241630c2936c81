"""Claimed rows become messages: planned per key, told as the instances are now, to each queue what it may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from celery_cqrs import conf
from celery_cqrs.database import clock
from celery_cqrs.exceptions import SerializationFailed
from celery_cqrs.master.coalesce import Planned, coalesce
from celery_cqrs.master.fields import visible
from celery_cqrs.master.states import State, States, model_of, pk_of
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Outbox

KNOWN = tuple(SignalType)
UNKNOWN_TYPE = "The signal type is not known here; a newer celery_cqrs wrote the row. Upgrade this process."


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
    """What claimed rows came to: messages, rows that need none, rows that stay held, and failed ones with the error."""

    messages: list[Prepared] = field(default_factory=list)
    needless: list[Outbox] = field(default_factory=list)
    held: list[Outbox] = field(default_factory=list)
    failed: list[tuple[tuple[Outbox, ...], str]] = field(default_factory=list)


def prepare(using: str, rows: Sequence[Outbox], stamp: datetime) -> Preparation:
    """Plan, read and encode ``rows``; each bad row fails alone."""
    known = [row for row in rows if row.signal_type in KNOWN]
    plans = coalesce(known)
    states = States(using, [plan.last for plan in plans if plan.signal_type is not SignalType.DELETE])
    planned = {row.id for plan in plans for row in plan.rows}
    result = Preparation(held=[row for row in known if row.id not in planned])
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


def _message(plan: Planned, states: States, stamp: datetime) -> Message | None:
    """The message of ``plan``, or None for a row that is gone: its DELETE has been captured by whoever deleted it."""
    row, model = plan.last, model_of(plan.last)
    state = State(_delete_data(row)) if plan.signal_type is SignalType.DELETE else states.state_for(row)
    if state is None:
        return None
    ttl = conf.master.CQRS_MESSAGE_TTL
    return Message(
        signal_type=SignalType.DELETE if state.has_left else plan.signal_type,
        cqrs_id=row.cqrs_id,
        instance_data=state.data,
        instance_pk=pk_of(row),
        queue=row.queue if row.direct else None,
        previous_data=None if state.has_left else visible(model, row.queue, plan.previous_data),
        correlation_id=row.correlation_id,
        expires=None if ttl is None else stamp + timedelta(seconds=ttl),
        meta=row.meta,
        captured_at=clock.from_field(plan.rows[0].captured_at),
        outbox_ids=tuple(row.id for row in plan.rows),
    )


def _delete_data(row: Outbox) -> dict[str, Any]:
    captured_at = clock.from_field(row.captured_at)
    data = {
        "id": pk_of(row),
        "cqrs_revision": row.revision,
        "cqrs_updated": captured_at.isoformat() if captured_at else None,
    }
    return data if not row.custom else {**data, "custom": row.custom}
