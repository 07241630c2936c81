"""``cqrs_relay --queue``: a relay of its own for some replica queues, so that a slow one holds up no other."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from celery_cqrs.master.relay import Relay
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_postgres, on_sqlite
from tests.publisher.processes import Service
from tests.publisher.transports import Distant
from tests.relay.test_command import SLEEPERS

Elsewhere = Callable[..., Future[Any]]
SECONDS = 30
TRANSPORT = "celery_cqrs.transport.celery.CeleryTransport"
on_folder = pytest.mark.parametrize("broker", ["folder"], indirect=True)


@pytest.fixture
def three_queues(configure: Callable[..., None]) -> None:
    """Commits only capture; each change goes to shop, search and mail, two changes a claim."""
    Distant.renew()
    master = {
        "publish": "relay",
        "batch_size": 2,
        "relay_poll_seconds": 0.01,
        "replicas": dict.fromkeys(("shop", "search", "mail"), "__all__"),
    }
    configure(transport="tests.publisher.transports.Distant", master=master)


def save_authors(count: int) -> None:
    Author.cqrs.bulk_create([Author(pk=number, name=str(number)) for number in range(1, count + 1)])


def sent_rows() -> Counter[int]:
    """How often each outbox row was sent."""
    envelopes = [envelope for waiting in MemoryTransport.queues.values() for envelope in waiting]
    messages = [message for envelope in envelopes for message in envelope.payload["messages"]]
    return Counter(row_id for message in messages for row_id in message["outbox_ids"])


def sent_to() -> set[str]:
    """The queues that something was sent to."""
    return {queue for queue, waiting in MemoryTransport.queues.items() if waiting}


def pending_queues() -> set[str]:
    return set(Outbox.objects.filter(sent_at=None).values_list("queue", flat=True))


@pytest.mark.usefixtures("three_queues")
def test_a_relay_of_one_queue_publishes_for_it_alone(database: str) -> None:
    save_authors(5)
    call_command("cqrs_relay", "--once", "--queue", "search")
    assert sent_to() == {"search"} and pending_queues() == {"shop", "mail"}
    assert set(sent_rows()) == set(Outbox.objects.exclude(sent_at=None).values_list("id", flat=True))


@pytest.mark.usefixtures("three_queues")
@on_sqlite
def test_the_flag_may_be_given_several_times(database: str) -> None:
    save_authors(5)
    call_command("cqrs_relay", "--once", "--queue", "search", "-q", "mail")
    assert sent_to() == {"search", "mail"} and pending_queues() == {"shop"}


@pytest.mark.usefixtures("three_queues")
@on_sqlite
def test_a_relay_without_the_flag_publishes_for_all_queues(database: str) -> None:
    save_authors(5)
    call_command("cqrs_relay", "--once")
    assert sent_to() == {"shop", "search", "mail"} and pending_queues() == set()


@pytest.mark.usefixtures("three_queues")
@on_sqlite
def test_an_unknown_queue_is_refused_with_the_known_names(database: str) -> None:
    save_authors(1)
    with pytest.raises(CommandError, match=r"no queue shpo\. Known queues: shop, search, mail\."):
        call_command("cqrs_relay", "--once", "--queue", "shop", "--queue", "shpo")
    assert sent_to() == set()


@on_sqlite
def test_a_service_without_replicas_knows_no_queue(database: str, configure: Callable[..., None]) -> None:
    configure(master={"replicas": {}})
    with pytest.raises(CommandError, match=r"Known queues: none\."):
        call_command("cqrs_relay", "--once", "--queue", "shop")


@pytest.mark.usefixtures("three_queues")
def test_relays_of_disjoint_queues_side_by_side_send_each_row_once(database: str, elsewhere: Elsewhere) -> None:
    relays = [Relay(["shop"]), Relay(["search", "mail"])]
    running = [elsewhere(relay.run) for relay in relays]
    try:
        save_authors(10)
        wait_until(lambda: len(sent_rows()) == 30, what="all rows", seconds=SECONDS)
    finally:
        for relay in relays:
            relay.stop()
    assert [work.result(SECONDS) for work in running] == [None, None]
    assert set(sent_rows().values()) == {1}


@pytest.mark.usefixtures("three_queues")
@on_sqlite
def test_a_backlog_of_another_queue_does_not_keep_a_relay_of_one_from_ending(database: str) -> None:
    save_authors(3)
    Outbox.objects.filter(queue="search").delete()
    call_command("cqrs_relay", "--once", "--queue", "search")
    assert Outbox.objects.filter(sent_at=None).count() == 6


@on_folder
@on_sqlite
def test_sigterm_ends_a_process_that_publishes_for_one_queue(
    database: str,
    broker: Any,
    shop: str,
    queue: Callable[..., str],
    start_service: Callable[..., Service],
    configure: Callable[..., None],
) -> None:
    replicas = {shop: "__all__", queue("search"): "__all__"}
    configure(transport=TRANSPORT, master={"replicas": replicas, "publish": "relay"})
    service = start_service(database, publish="relay", replicas=replicas)
    save_authors(3)
    relay = service.start_relay("--queue", shop)
    wait_until(lambda: pending_queues() != set(replicas), what="the relay", seconds=SECONDS)
    relay.send_signal(signal.SIGTERM)
    ended = service.wait(relay)
    assert (ended.code, ended.errors) == (0, "")
    assert pending_queues() == set(replicas) - {shop}


@on_folder
@on_postgres
def test_a_sleeping_relay_of_one_queue_is_woken_though_others_have_a_backlog(
    database: str,
    broker: Any,
    shop: str,
    queue: Callable[..., str],
    start_service: Callable[..., Service],
    configure: Callable[..., None],
) -> None:
    replicas = {shop: "__all__", queue("search"): "__all__"}
    configure(transport=TRANSPORT, master={"replicas": replicas, "publish": "relay"})
    service = start_service(database, publish="relay", replicas=replicas, relay_poll_seconds=600, sweep_seconds=600)
    save_authors(1)
    service.start_relay("--queue", shop)
    wait_until(lambda: sleepers(database), what="the relay to fall asleep", seconds=SECONDS)
    Author.objects.create(pk=2, name="later")
    wait_until(lambda: pending_queues() == set(replicas) - {shop}, what="the relay", seconds=SECONDS)


def sleepers(database: str) -> int:
    """How many relays sleep and listen."""
    with connections[database].cursor() as cursor:
        cursor.execute(SLEEPERS)
        return int(cursor.fetchone()[0])
