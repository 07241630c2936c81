"""For tests of projects that use celery_cqrs, with the memory transport: look at what was sent, and deliver it.

CQRS = {..., "transport": "celery_cqrs.transport.memory.MemoryTransport"}

``CqrsTestMixin`` (``cases.py``) and the fixture ``cqrs`` (``fixtures.py``) do the same for whole tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from celery_cqrs.master.confirm import confirm
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.repair import repair
from celery_cqrs.reconcile import conversation, reply
from celery_cqrs.replica import receive, retry
from celery_cqrs.transport.base import APPLY, COMPARE, CONFIRM, RECONCILE, REPAIR, RETRY, Envelope
from celery_cqrs.transport.memory import MemoryTransport

DELIVERIES = 10_000

DOORS: dict[str, Callable[[Any], Any]] = {
    APPLY: receive.receive,
    CONFIRM: confirm,
    REPAIR: repair,
    COMPARE: reply.reply,
    RECONCILE: conversation.take,
    RETRY: lambda payload: retry.retry_due(receive.apply_to_model),
}


def publish(using: Iterable[str] = (DEFAULT_DB_ALIAS,)) -> int:
    """Publish what these databases have captured, also in a transaction that never ends, as in a TestCase.

    Returns how many outbox rows that were.
    """
    return sum(drain_all(alias) for alias in using)


def sent_messages(queue: str) -> list[dict[str, Any]]:
    """The messages that wait for ``queue``, as they travel, oldest first."""
    waiting = [envelope for envelope in MemoryTransport.queues[queue] if envelope.task == APPLY]
    return [message for envelope in waiting for message in envelope.payload["messages"]]


def deliver_one(envelope: Envelope) -> Any:
    """Run the task of ``envelope`` in this process; returns what it returns."""
    return DOORS[envelope.task](envelope.payload)


def deliver(*queues: str, limit: int = DELIVERIES) -> int:
    """Deliver what waits for ``queues`` (default: all), and what that brings about; returns how many tasks ran.

    At most ``limit`` tasks run. Retries that Celery would hold back run at once, and leave letters that are not due.
    """
    count = 0
    while count < limit:
        ready = next(
            (name for name, waiting in MemoryTransport.queues.items() if waiting and (not queues or name in queues)),
            None,
        )
        if ready is None:
            return count
        deliver_one(MemoryTransport.queues[ready].popleft())
        count += 1
    return count
