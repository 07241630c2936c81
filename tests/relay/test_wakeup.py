"""PostgreSQL tells a sleeping relay of captures, and nobody while none sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from django.db import connections, transaction

from celery_cqrs.database import wakeup
from tests.app.models import Author
from tests.conftest import on_database
from tests.publisher.conftest import on_postgres

Elsewhere = Callable[..., Future[Any]]
SECONDS = 60
HURRY_SECONDS = 30


@pytest.fixture(autouse=True)
def _only_captured(configure: Callable[..., None]) -> None:
    """Commits are left to a relay."""
    configure(transport="tests.publisher.transports.Distant", master={"publish": "relay"})


@pytest.fixture
def sleeper(database: str) -> Iterator[Any]:
    """The connection of a relay that has fallen asleep."""
    connection = connections[database]
    assert wakeup.fall_asleep(connection)
    yield connection
    wakeup.get_up(connection)


def capture() -> None:
    Author.objects.create(name="Ann")


def seconds_asleep(connection: Any) -> float:
    """How long the sleeper sleeps."""
    start = time.monotonic()
    wakeup.wait([connection], SECONDS)
    return time.monotonic() - start


@on_postgres
def test_a_capture_wakes_the_sleeper(database: str, sleeper: Any, elsewhere: Elsewhere) -> None:
    elsewhere(capture).result(SECONDS)
    assert seconds_asleep(sleeper) < HURRY_SECONDS


@on_postgres
def test_a_capture_while_the_sleeper_looks_once_more_is_heard(
    database: str, sleeper: Any, elsewhere: Elsewhere
) -> None:
    captured = elsewhere(capture)
    with sleeper.cursor() as cursor:
        while not captured.done():
            cursor.execute("SELECT pg_sleep(0.05)")
        cursor.execute("SELECT 1")
    assert seconds_asleep(sleeper) < HURRY_SECONDS


@on_postgres
def test_a_capture_that_is_rolled_back_wakes_nobody(database: str, sleeper: Any, elsewhere: Elsewhere) -> None:
    def capture_in_vain() -> None:
        with transaction.atomic(using=database):
            capture()
            transaction.set_rollback(True, using=database)

    elsewhere(capture_in_vain).result(SECONDS)
    start = time.monotonic()
    wakeup.wait([sleeper], 0.3)
    assert time.monotonic() - start >= 0.3


@on_postgres
def test_only_one_relay_at_a_time_sleeps(database: str, sleeper: Any, elsewhere: Elsewhere) -> None:
    assert not elsewhere(lambda: wakeup.fall_asleep(connections[database])).result(SECONDS)


@on_postgres
def test_no_relay_falls_asleep_while_a_capture_is_under_way(database: str, elsewhere: Elsewhere) -> None:
    with transaction.atomic(using=database):
        capture()
        assert not elsewhere(lambda: wakeup.fall_asleep(connections[database])).result(SECONDS)


@on_postgres
def test_nothing_is_notified_while_no_relay_sleeps(database: str, elsewhere: Elsewhere) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute(f"LISTEN {wakeup.CHANNEL}")
        elsewhere(capture).result(SECONDS)
        cursor.execute(f"NOTIFY {wakeup.CHANNEL}, 'the mark'")
    heard = connections[database].connection.notifies(timeout=SECONDS, stop_after=1)
    assert [notification.payload for notification in heard] == ["the mark"]


@pytest.mark.parametrize(
    "database",
    [
        pytest.param("default", marks=on_database("default", server=False), id="sqlite"),
        pytest.param("mariadb", marks=on_database("mariadb")),
    ],
    indirect=True,
)
def test_other_databases_wake_nobody(database: str) -> None:
    assert not wakeup.fall_asleep(connections[database])
