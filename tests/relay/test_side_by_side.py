"""Any number of relays share the work: each change is sent once, whoever takes it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

import pytest

from celery_cqrs.master.relay import Relay
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author
from tests.harness.waiting import wait_until
from tests.publisher.transports import Distant

Elsewhere = Callable[..., Future[Any]]
Running = list[Future[None]]
SECONDS = 60


@pytest.fixture(autouse=True)
def _relay_mode(configure: Callable[..., None]) -> None:
    """Commits only capture; four changes a claim."""
    Distant.renew()
    master = {"publish": "relay", "batch_size": 4, "relay_poll_seconds": 0.01}
    configure(transport="tests.publisher.transports.Distant", master=master)


def sent_rows() -> Counter[int]:
    """How often each outbox row was sent."""
    messages = [message for envelope in MemoryTransport.queues["replica"] for message in envelope.payload["messages"]]
    return Counter(row_id for message in messages for row_id in message["outbox_ids"])


def capture(count: int) -> set[int]:
    """Capture so many changes; the ids of their outbox rows."""
    Author.cqrs.bulk_create([Author(pk=number, name=str(number)) for number in range(1, count + 1)])
    return set(Outbox.objects.values_list("id", flat=True))


@contextmanager
def running_relays(elsewhere: Elsewhere, count: int, run: Callable[[Relay], None] = Relay.run) -> Iterator[Running]:
    """Relays that run until the block ends, and then finish what they do; none outlives it, whatever fails inside."""
    relays = [Relay() for _ in range(count)]
    running = [elsewhere(run, relay) for relay in relays]
    try:
        yield running
    finally:
        for relay in relays:
            relay.stop()
        Distant.open.set()
        wait(running, SECONDS)
    for done in running:
        done.result(0)


def test_two_relays_that_start_together_send_each_row_once(database: str, elsewhere: Elsewhere) -> None:
    captured, together = capture(80), threading.Barrier(2)

    def run_together(relay: Relay) -> None:
        together.wait(SECONDS)
        relay.run(once=True)

    with running_relays(elsewhere, 2, run_together) as running:
        wait(running, SECONDS)
    assert sent_rows() == dict.fromkeys(captured, 1)


def test_relays_that_wait_find_each_row_once(database: str, elsewhere: Elsewhere) -> None:
    with running_relays(elsewhere, 2):
        captured = capture(40)
        wait_until(lambda: len(sent_rows()) == 40, what="all rows", seconds=SECONDS)
    assert sent_rows() == dict.fromkeys(captured, 1)


def test_a_stopped_relay_finishes_the_claim_in_its_hands(database: str, elsewhere: Elsewhere) -> None:
    capture(20)
    Distant.open.clear()
    with running_relays(elsewhere, 1):
        assert Distant.reached.wait(SECONDS)
    assert set(sent_rows()) == set(Outbox.objects.exclude(sent_at=None).values_list("id", flat=True))
    assert Outbox.objects.filter(sent_at=None).count() == 16


def test_once_with_nothing_to_do_ends(database: str) -> None:
    Relay().run(once=True)
    assert not sent_rows()
