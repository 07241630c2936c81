"""After a commit a thread of the process publishes, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections, transaction

from celery_cqrs import signals
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import publisher
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_postgres, on_sqlite
from tests.publisher.transports import Distant

SECONDS = 60
NAME = "celery_cqrs-publisher"


def published() -> list[str]:
    """The names of the authors in the messages that were sent."""
    waiting = list(MemoryTransport.queues["replica"])
    return [message["instance_data"]["name"] for envelope in waiting for message in envelope.payload["messages"]]


def wait_for_published(*names: str) -> None:
    wait_until(lambda: sorted(published()) == sorted(names), what=f"{names}, not {published()}", seconds=SECONDS)


def wait_for_settled() -> None:
    """Return when the thread has nothing left to note in the outbox."""
    wait_until(lambda: not Outbox.objects.filter(sent_at=None).exists(), what="no pending row", seconds=SECONDS)


@pytest.fixture
def broken() -> Iterator[threading.Event]:
    """Set when a publish has failed: the breaker is open from then on."""
    event = threading.Event()

    def note(**_: object) -> None:
        event.set()

    signals.publish_failed.connect(note)
    yield event
    signals.publish_failed.disconnect(note)


def test_a_commit_is_published_by_a_thread_of_the_process(database: str, distant: type[Distant]) -> None:
    Author.objects.create(name="Ann")
    wait_for_published("Ann")
    assert {thread.name for thread in distant.threads} == {NAME}


def test_a_commit_does_not_wait_for_a_transport_that_hangs(database: str, distant: type[Distant]) -> None:
    distant.open.clear()
    Author.objects.create(name="Ann")
    assert distant.reached.wait(SECONDS)
    Author.objects.create(name="Bea")
    assert published() == []
    distant.open.set()
    wait_for_published("Ann", "Bea")


def test_nothing_is_published_before_the_commit(database: str, distant: type[Distant]) -> None:
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        assert not distant.reached.is_set()
        assert Outbox.objects.filter(sent_at=None).count() == 1
    wait_for_published("Ann")


def test_what_is_rolled_back_is_never_published(database: str, distant: type[Distant]) -> None:
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        transaction.set_rollback(True, using=database)
    Author.objects.create(name="Bea")
    wait_for_published("Bea")


@on_sqlite
def test_a_transaction_is_published_in_one_batch(database: str, distant: type[Distant]) -> None:
    with transaction.atomic(using=database):
        for name in ("Ann", "Bea", "Cea"):
            Author.objects.create(name=name)
    wait_for_published("Ann", "Bea", "Cea")
    assert len(MemoryTransport.queues["replica"]) == 1


@on_sqlite
def test_commits_while_the_thread_is_busy_share_the_next_batch(database: str, distant: type[Distant]) -> None:
    distant.open.clear()
    Author.objects.create(name="first")
    assert distant.reached.wait(SECONDS)
    for number in range(20):
        Author.objects.create(name=f"n{number}")
    distant.open.set()
    wait_for_published("first", *(f"n{number}" for number in range(20)))
    assert len(MemoryTransport.queues["replica"]) == 2


def test_requests_in_many_threads_lose_nothing(
    database: str, distant: type[Distant], elsewhere: Callable[..., object]
) -> None:
    def request(thread: int) -> None:
        for number in range(5):
            Author.objects.create(name=f"{thread}-{number}")

    for done in [elsewhere(request, thread) for thread in range(4)]:
        done.result(SECONDS)
    wait_for_published(*(f"{thread}-{number}" for thread in range(4) for number in range(5)))


def test_a_broker_that_is_away_is_asked_again_without_another_commit(database: str, distant: type[Distant]) -> None:
    distant.bugs.append(BrokerUnavailable(problem="it is away"))
    Author.objects.create(name="Ann")
    wait_for_published("Ann")


@on_sqlite
def test_commits_while_the_breaker_is_open_are_published_after_it(
    database: str, distant: type[Distant], configure: Callable[..., None], broken: threading.Event
) -> None:
    configure(master={"breaker_seconds": 1})
    distant.bugs.append(BrokerUnavailable(problem="it is away"))
    Author.objects.create(name="Ann")
    assert broken.wait(SECONDS)
    Author.objects.create(name="Bea")
    wait_for_published("Ann", "Bea")


@on_sqlite
def test_a_failed_attempt_is_not_counted(database: str, distant: type[Distant]) -> None:
    distant.bugs.append(BrokerUnavailable(problem="it is away"))
    Author.objects.create(name="Ann")
    wait_for_published("Ann")
    wait_for_settled()
    assert MemoryTransport.queues["replica"][0].payload["attempt"] == 1


@on_sqlite
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_thought_of_does_not_end_publishing(database: str, distant: type[Distant]) -> None:
    distant.bugs.append(RuntimeError("a bug in a driver"))
    Author.objects.create(name="Ann")
    wait_until(lambda: not distant.bugs, what="the bug", seconds=SECONDS)
    Author.objects.create(name="Bea")
    wait_until(lambda: "Bea" in published(), what="what was saved after the bug", seconds=SECONDS)


def test_a_queue_that_is_missing_does_not_hold_up_another(
    database: str, distant: type[Distant], configure: Callable[..., None]
) -> None:
    configure(master={"replicas": {"absent": ["author"], "replica": ["author"]}})
    distant.absent.add("absent")
    Author.objects.create(name="Ann")
    wait_for_published("Ann")


@on_sqlite
def test_in_relay_mode_no_thread_publishes(
    database: str, distant: type[Distant], configure: Callable[..., None]
) -> None:
    configure(master={"publish": "relay"})
    Author.objects.create(name="Ann")
    assert NAME not in {thread.name for thread in threading.enumerate()}
    assert Outbox.objects.get().sent_at is None


@on_postgres
def test_a_thread_that_has_ended_holds_no_database_connection(database: str, distant: type[Distant]) -> None:
    Author.objects.create(name="Ann")
    wait_for_published("Ann")
    publisher._thread.finish()
    wait_until(lambda: other_sessions(database) == 0, what="the end of the thread's session", seconds=SECONDS)


def other_sessions(database: str) -> int:
    with connections[database].cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])
