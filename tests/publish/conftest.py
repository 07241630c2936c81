"""A broker with moods, and time that passes when a test says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.db.models import F

from celery_cqrs import signals
from celery_cqrs.models import Destination, Outbox
from celery_cqrs.transport.base import Envelope
from celery_cqrs.transport.memory import MemoryTransport
from tests.publish.transports import MoodyTransport


@pytest.fixture
def broker(configure: Any) -> Iterator[type[MoodyTransport]]:
    """The transport of this test: a memory transport with moods."""
    configure(transport="tests.publish.transports.MoodyTransport")
    MoodyTransport.calm_down()
    yield MoodyTransport
    MoodyTransport.calm_down()


@pytest.fixture
def heard() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What the signals of publishing have told, by the name of the signal."""
    told: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("published", "publish_failed", "set_aside", "resent")
    }
    receivers = {name: lambda name=name, **facts: told[name].append(facts) for name in told}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield told
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def sizes(queue: str = "replica") -> list[int]:
    """How many messages each batch has that waits for ``queue``."""
    return [len(envelope.payload["messages"]) for envelope in MemoryTransport.queues[queue]]


def pending() -> int:
    """How many rows are pending."""
    return Outbox.objects.filter(sent_at=None).count()


def let_pass(seconds: float, under_way: Iterable[Envelope] | None = None) -> None:
    """Let everything that is known to have happened be so much longer ago, also what is ``under_way``.

    None: what the memory transport holds.
    """
    ago = timedelta(seconds=seconds)
    for model, names in {
        Outbox: ("captured_at", "sent_at", "available_at"),
        Destination: ("confirmed_stamp", "confirmed_at", "probed_at", "rests_until", "failed_at"),
    }.items():
        model.objects.update(**{name: F(name) - ago for name in names})
    for envelope in chain(*MemoryTransport.queues.values()) if under_way is None else under_way:
        for part in (envelope.payload, *envelope.payload.get("batches", [])):
            if "sent_at" in part:
                part["sent_at"] = (datetime.fromisoformat(part["sent_at"]) - ago).isoformat()
