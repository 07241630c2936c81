"""``cqrs_status --ping``: every queue is asked at the same time, nobody is waited for beyond the timeout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from celery_cqrs.models import Destination, Outbox
from tests.conftest import on_sqlite
from tests.operate.conftest import run
from tests.operate.transports import PromptTransport

NOW = ("cqrs_status", "--ping", "--timeout", "0")


@pytest.fixture
def workers(configure: Callable[..., None]) -> Iterator[type[PromptTransport]]:
    """One queue whose workers answer at once."""
    PromptTransport.calm_down()
    configure(transport="tests.operate.transports.PromptTransport")
    yield PromptTransport
    PromptTransport.deaf.clear()
    PromptTransport.calm_down()


def test_an_answer_is_told_with_its_time_and_leaves_no_row(uncommitted: str, workers: type[PromptTransport]) -> None:
    ran = run(*NOW)
    assert (ran.code, ran.error) == (0, "") and f"  round trip {uncommitted} to replica: " in ran.output
    assert ran.lines[-1].endswith(" ms") and not Outbox.objects.exists()
    trips = json.loads(run(*NOW, "--json").output)["ping_seconds"]
    assert 0 <= trips[uncommitted]["replica"] < 60


@on_sqlite
def test_without_an_answer_the_timeout_ends_it_with_exit_code_one(
    uncommitted: str, workers: type[PromptTransport]
) -> None:
    workers.deaf.add("replica")
    ran = run(*NOW)
    assert (ran.code, ran.error) == (1, "Round trip default to replica: no answer in 0 s")
    assert json.loads(run(*NOW, "--json").output)["ping_seconds"] == {"default": {"replica": None}}


@on_sqlite
def test_an_answer_to_an_earlier_ping_is_none_to_this_one(uncommitted: str, workers: type[PromptTransport]) -> None:
    assert run(*NOW).code == 0
    workers.deaf.add("replica")
    assert run(*NOW).code == 1


@on_sqlite
def test_a_queue_that_does_not_exist_is_told_and_others_are_asked(
    uncommitted: str, workers: type[PromptTransport], configure: Callable[..., None]
) -> None:
    configure(master={"replicas": {"nowhere": "__all__", "replica": "__all__"}})
    workers.missing = {"nowhere"}
    ran = run(*NOW)
    assert ran.error.startswith("Round trip default to nowhere: Queue 'nowhere' does not exist yet")
    assert len(ran.error.splitlines()) == 1 and ran.code == 1


@on_sqlite
def test_a_broker_that_is_away_is_asked_once_for_all_queues(
    uncommitted: str, workers: type[PromptTransport], configure: Callable[..., None]
) -> None:
    configure(master={"replicas": dict.fromkeys(("one", "two", "three"), "__all__")})
    workers.sends_left = 0
    ran = run(*NOW)
    assert len(workers.offered) == 1 and ran.code == 1
    assert [line.split(":")[0] for line in ran.error.splitlines()] == [
        f"Round trip default to {name}" for name in ("one", "two", "three")
    ]


@on_sqlite
def test_a_status_without_the_flag_sends_nothing(uncommitted: str, workers: type[PromptTransport]) -> None:
    assert run("cqrs_status").code == 0 and workers.offered == []


@pytest.mark.servers("postgres", "mariadb")
@pytest.mark.django_db(databases=["default", "postgres", "mariadb"])
def test_every_database_with_an_outbox_is_pinged(workers: type[PromptTransport]) -> None:
    document = json.loads(run(*NOW, "--json").output)
    answered = {using for using, trips in document["ping_seconds"].items() if trips["replica"] is not None}
    assert answered == {"default", "postgres", "mariadb"}
    assert Destination.objects.using("postgres").get().confirmed_stamp is not None
