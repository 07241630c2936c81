"""``cqrs_status``: what an operator sees of a service, whatever its roles and whoever has died."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from celery_cqrs import tasks
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Destination, Letter, Outbox, Tick
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author
from tests.conftest import on_sqlite
from tests.operate.conftest import aside, run
from tests.outbox.conftest import put
from tests.publish.conftest import broker, let_pass  # noqa: F401 (fixture)

KEYS = (
    "service roles databases backlogs contacts overfull comparisons letters silence_seconds ping_seconds problems"
).split()
BACKLOG = "using queue cqrs_id pending sent set_aside oldest_captured_at lag_seconds".split()
CONTACT = "using queue confirmed_at probed_at rests_until failed_at failure".split()


def told() -> dict[str, Any]:
    """What ``--json`` tells."""
    document: dict[str, Any] = json.loads(run("cqrs_status", "--json").output)
    return document


def letter(pk: int, state: str) -> Letter:
    """A letter in this state."""
    return Letter.objects.create(queue="replica", cqrs_id="author", pk_text=str(pk), payload={}, reason="", state=state)


@pytest.fixture
def role(configure: Callable[..., None]) -> Iterator[Callable[[str], None]]:
    """Makes this a service of one role."""
    kept = {registry: dict(registry.models) for registry in (MasterRegistry, ReplicaRegistry)}

    def only(name: str) -> None:
        (ReplicaRegistry if name == "master" else MasterRegistry).models.clear()
        if name == "replica":
            configure(master={"replicas": {}})

    yield only
    for registry, models in kept.items():
        registry.models.update(models)


# ── the figures ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_backlogs_are_told_per_queue_and_model_with_their_states_and_lag(uncommitted: str) -> None:
    put(1, queue="mail", seconds=-500)
    put(2, queue="mail", seconds=-100, sent_at=timezone.now())
    aside(3, queue="mail", cqrs_id="product")
    put(1, queue="shop", seconds=-20)
    found = {(one["queue"], one["cqrs_id"]): one for one in told()["backlogs"]}
    states = {key: (one["pending"], one["sent"], one["set_aside"]) for key, one in found.items()}
    assert states == {("mail", "author"): (1, 1, 0), ("mail", "product"): (0, 0, 1), ("shop", "author"): (1, 0, 0)}
    assert found["mail", "author"]["lag_seconds"] == pytest.approx(500, abs=30)
    assert found["shop", "author"]["lag_seconds"] == pytest.approx(20, abs=30)


def test_letters_are_counted_by_state(uncommitted: str) -> None:
    for pk, state in enumerate(("dead", "dead", "retrying", "waiting", "asked", "dead")):
        letter(pk, state)
    assert told()["letters"] == {"retrying": 1, "waiting": 1, "dead": 3, "asked": 1}


def test_ticks_of_beats_tasks_are_told_by_their_age(database: str) -> None:
    assert told()["silence_seconds"] == {}
    for task in (tasks.drain_outbox, tasks.retry_letters, tasks.prune_rows):
        task()
    Tick.objects.filter(name="drain").update(at=timezone.now() - timedelta(hours=1))
    silence = told()["silence_seconds"]
    assert list(silence) == ["drain", "prune", "retry"]
    assert silence["drain"] == pytest.approx(3_600, abs=30) and silence["retry"] < 30


def test_a_second_tick_takes_the_place_of_the_first(database: str) -> None:
    tasks.prune_rows()
    Tick.objects.update(at=timezone.now() - timedelta(hours=1))
    tasks.prune_rows()
    assert Tick.objects.count() == 1 and told()["silence_seconds"]["prune"] < 30


@on_sqlite
def test_the_keys_of_the_document_are_stable(uncommitted: str) -> None:
    put()
    Destination.objects.create(queue="shop")
    document = told()
    assert list(document) == KEYS
    assert [list(one) for one in document["backlogs"]] == [BACKLOG]
    assert [list(one) for one in document["contacts"]] == [CONTACT]
    assert document["databases"] == [{"using": "default", "is_here": True, "problem": ""}]


@on_sqlite
def test_people_get_the_same_in_lines(uncommitted: str) -> None:
    put(1, queue="mail")
    letter(1, "dead")
    Destination.objects.create(queue="mail", confirmed_at=timezone.now())
    lines = run("cqrs_status").lines
    assert lines[0] == "service replica (master and replica)"
    assert lines[1].startswith("  default to mail, author: 1 pending, 0 sent, 0 set aside, oldest ")
    assert lines[2].startswith("  default to mail: last confirmed at 20")
    assert lines[3:] == [
        *(f"  letters {state}" for state in ("retrying: 0", "waiting: 0", "dead: 1", "asked: 0")),
        "  beat has never run",
    ]


# ── roles ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@on_sqlite
def test_a_service_that_is_only_a_replica_is_told_nothing_about_an_outbox(
    uncommitted: str, role: Callable[[str], None]
) -> None:
    role("replica")
    ran = run("cqrs_status", "--ping", "--max-rows", "0", "--max-lag", "0")
    assert ran.code == 0 and ran.lines[0] == "service replica (replica)" and "outbox" not in ran.output
    assert told()["roles"] == ["replica"]


@on_sqlite
def test_a_service_that_is_only_a_master_has_an_empty_outbox(uncommitted: str, role: Callable[[str], None]) -> None:
    role("master")
    ran = run("cqrs_status")
    assert ran.lines[:2] == ["service replica (master)", "  outbox empty"] and told()["roles"] == ["master"]


# ── what fails to be published ─────────────────────────────────────────────────────────────────────────────────────
def failing() -> str:
    """What the contact of the one queue tells of its failure."""
    (contact,) = told()["contacts"]
    assert (contact["failed_at"] is None) == (contact["failure"] == "")
    return str(contact["failure"])


@pytest.fixture
def failed(database: str) -> str:
    """A change that could not be published, since the broker was away."""
    MemoryTransport.fail_with = BrokerUnavailable(problem="nobody listens")
    Author.objects.create(pk=1, name="Ann")
    MemoryTransport.fail_with = None
    breaker.reset()
    return database


def test_the_last_failure_to_publish_is_seen_by_another_process(failed: str) -> None:
    assert "nobody listens" in failing()
    (line,) = [line for line in run("cqrs_status").lines if "not published" in line]
    assert line.startswith("  " + failed + " to replica: not published at 20") and "nobody listens" in line


def test_a_failure_is_over_when_a_later_batch_was_confirmed(failed: str) -> None:
    drain_all(failed)
    from celery_cqrs import testing

    testing.deliver()
    assert failing() == ""


def test_a_failure_is_over_when_a_later_batch_stays_with_the_broker(failed: str) -> None:
    let_pass(100)
    drain_all(failed)
    assert "nobody listens" in failing()  # it may still be given back
    Outbox.objects.update(sent_at=timezone.now() - timedelta(seconds=60))
    assert failing() == ""


def test_a_confirmation_of_what_was_sent_before_does_not_end_a_failure(failed: str) -> None:
    Destination.objects.update(confirmed_stamp=timezone.now() - timedelta(hours=1), confirmed_at=timezone.now())
    assert "nobody listens" in failing()


@on_sqlite
def test_a_queue_that_does_not_exist_is_told_with_its_rest(uncommitted: str, broker: Any) -> None:  # noqa: F811
    broker.missing = {"replica"}
    Author.objects.create(pk=1, name="Ann")
    drain_all(uncommitted)
    (contact,) = told()["contacts"]
    assert "does not exist yet" in contact["failure"] and contact["rests_until"]


def test_a_broker_that_stays_away_is_noted_once_for_each_attempt_and_for_every_queue_that_waited(
    database: str, configure: Callable[..., None]
) -> None:
    configure(master={"replicas": {"replica": "__all__", "mail": "__all__"}})
    MemoryTransport.fail_with = BrokerUnavailable(problem="nobody listens")
    Author.objects.create(pk=1, name="Ann")
    noted = list(Destination.objects.order_by("queue").values_list("queue", "failed_at"))
    assert [queue for queue, _ in noted] == ["mail", "replica"]
    Author.objects.create(pk=2, name="Bea")  # the breaker is open: nobody asks the broker
    assert list(Destination.objects.order_by("queue").values_list("queue", "failed_at")) == noted
