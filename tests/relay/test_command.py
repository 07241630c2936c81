"""``manage.py cqrs_relay``: a process that publishes for all others."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from celery_cqrs.models import Outbox
from tests.app.models import Author
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_mariadb, on_postgres, on_sqlite
from tests.publisher.processes import Service
from tests.publisher.test_exit import ids_in, names_in
from tests.transport.conftest import RABBITMQ, REDIS

StartService = Callable[..., Service]
SLEEPERS = (
    "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND mode = 'ExclusiveLock' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
SEND_ALL_AGAIN = """
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend

drain_all("default")
while Outbox.objects.filter(attempts=1).exists():
    resend("default")
    drain_all("default")
"""
on_folder = pytest.mark.parametrize("broker", ["folder"], indirect=True)


@pytest.fixture
def relayed(
    database: str, shop: str, start_service: StartService, configure: Callable[..., None]
) -> Callable[..., Service]:
    """A service in relay mode: this process only captures."""

    def make(**master: Any) -> Service:
        transport = "celery_cqrs.transport.celery.CeleryTransport"
        configure(transport=transport, master={"replicas": {shop: "__all__"}, "publish": "relay"})
        return start_service(database, publish="relay", **master)

    return make


def save_authors(count: int) -> None:
    Author.cqrs.bulk_create([Author(pk=number, name=str(number)) for number in range(1, count + 1)])


def wait_for_message(broker: Any, shop: str, process: subprocess.Popen[str]) -> None:
    """Return when the relay has sent something."""
    wait_until(
        lambda: Outbox.objects.exclude(sent_at=None).exists() or process.poll() is not None, what="a claim", seconds=60
    )


@on_folder
@on_sqlite
def test_once_publishes_all_that_is_pending_and_ends(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(batch_size=10)
    save_authors(25)
    ended = service.wait(service.start_relay("--once"))
    assert (ended.code, ended.errors) == (0, "")
    assert len(names_in(broker, shop)) == 25


@on_folder
@on_sqlite
def test_a_commit_in_relay_mode_is_left_to_the_relay(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed()
    assert service.run_code('Author.objects.create(name="Ann")').code == 0
    assert (names_in(broker, shop), Outbox.objects.get().sent_at) == ([], None)


@on_sqlite
@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_once_ends_when_the_broker_is_away_and_leaves_all_pending(
    database: str, broker: Any, relayed: Callable[..., Service]
) -> None:
    service = relayed()
    save_authors(3)
    broker.take_away()
    ended = service.wait(service.start_relay("--once"))
    assert ended.code == 0
    assert Outbox.objects.filter(sent_at=None, attempts=0).count() == 3


@on_folder
@on_sqlite
def test_two_processes_side_by_side_send_each_row_once(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(batch_size=10)
    save_authors(150)
    relays = [service.start_relay("--once") for _ in range(2)]
    assert [service.wait(relay).code for relay in relays] == [0, 0]
    assert set(Counter(ids_in(broker, shop)).values()) == {1}
    assert Outbox.objects.exclude(sent_at=None).count() == 150


@on_folder
@on_sqlite
def test_sigterm_ends_a_relay_with_its_claim_finished(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(batch_size=5)
    save_authors(2_000)
    relay = service.start_relay()
    wait_for_message(broker, shop, relay)
    relay.send_signal(signal.SIGTERM)
    ended = service.wait(relay)
    assert (ended.code, ended.errors) == (0, "")
    sent = sorted(Outbox.objects.exclude(sent_at=None).values_list("id", flat=True))
    assert sent == ids_in(broker, shop)


@on_folder
@on_sqlite
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_sleeping_relay_at_once(
    database: str, broker: Any, relayed: Callable[..., Service], number: signal.Signals
) -> None:
    service = relayed(relay_poll_seconds=600)
    save_authors(1)
    relay = service.start_relay()
    wait_for_message(broker, "", relay)
    relay.send_signal(number)
    assert service.wait(relay).code == 0


@on_folder
@on_mariadb
def test_a_relay_finds_what_is_captured_while_it_runs(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(relay_poll_seconds=0.1)
    relay = service.start_relay()
    for name in ("Ann", "Bea"):
        Author.objects.create(name=name)
        wait_until(lambda: not Outbox.objects.filter(sent_at=None).exists(), what="the relay", seconds=60)
    relay.send_signal(signal.SIGTERM)
    assert service.wait(relay).code == 0
    assert names_in(broker, shop) == ["Ann", "Bea"]


@on_folder
@on_postgres
def test_a_sleeping_relay_is_woken_by_a_commit(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(relay_poll_seconds=600, sweep_seconds=600)
    service.start_relay()
    wait_until(lambda: sleepers(database), what="the relay to fall asleep", seconds=60)
    Author.objects.create(name="Ann")
    wait_until(lambda: not Outbox.objects.filter(sent_at=None).exists(), what="the relay", seconds=60)


def sleepers(database: str) -> int:
    with connections[database].cursor() as cursor:
        cursor.execute(SLEEPERS)
        return int(cursor.fetchone()[0])


@on_folder
@on_sqlite
def test_a_killed_relay_leaves_its_claim_to_the_resend(
    database: str, broker: Any, shop: str, relayed: Callable[..., Service]
) -> None:
    service = relayed(batch_size=20, resend_after_seconds=0.001, resend_max_seconds=0.001)
    save_authors(300)
    relay = service.start_relay()
    wait_for_message(broker, shop, relay)
    relay.kill()
    service.wait(relay)
    assert service.run_code(SEND_ALL_AGAIN).code == 0
    assert set(ids_in(broker, shop)) == set(Outbox.objects.values_list("id", flat=True))
