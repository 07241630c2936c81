"""``outbox_max_rows``: a replica that never comes back is announced, loudly and cheaply; nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs import signals, tasks
from celery_cqrs.master.backlog import announce_overfull, find_overfull
from celery_cqrs.models import Outbox
from tests.conftest import on_sqlite
from tests.django.conftest import problems
from tests.operate.conftest import aside, run
from tests.outbox.conftest import put

Heard = list[dict[str, Any]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the signal has told."""
    told: Heard = []

    def note(**facts: Any) -> None:
        told.append({name: facts[name] for name in ("queue", "rows", "limit", "using")})

    signals.outbox_overfull.connect(note)
    yield told
    signals.outbox_overfull.disconnect(note)


@pytest.fixture
def capped(configure: Callable[..., None]) -> None:
    """Three rows are allowed to each of two queues."""
    configure(master={"outbox_max_rows": 3, "replicas": {"replica": "__all__", "mail": "__all__"}})


def fill(queue: str, count: int) -> None:
    for number in range(count):
        put(number + 1, queue=queue, seconds=60)


@pytest.mark.usefixtures("capped")
@pytest.mark.parametrize(("count", "is_told"), [(2, False), (3, False), (4, True), (5, True)])
def test_a_queue_is_overfull_above_its_cap_and_not_at_it(
    uncommitted: str, heard: Heard, count: int, is_told: bool
) -> None:
    fill("mail", count)
    announce_overfull(uncommitted)
    told = {"queue": "mail", "rows": count, "limit": 3, "using": uncommitted}
    assert heard == ([told] if is_told else [])


@pytest.mark.usefixtures("capped")
@on_sqlite
def test_rows_in_every_state_count(uncommitted: str, heard: Heard) -> None:
    put(1, queue="mail", seconds=60)
    put(2, queue="mail", sent_at="2026-01-01T00:00Z")
    aside(3, queue="mail")
    aside(4, queue="mail")
    announce_overfull(uncommitted)
    assert [one["queue"] for one in heard] == ["mail"]


@pytest.mark.usefixtures("capped")
@on_sqlite
def test_rows_of_several_queues_are_not_added_up(uncommitted: str, heard: Heard) -> None:
    fill("mail", 3)
    fill("replica", 3)
    announce_overfull(uncommitted)
    assert heard == []


@on_sqlite
def test_without_a_cap_nothing_is_counted(uncommitted: str) -> None:
    fill("mail", 4)
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        announce_overfull(uncommitted)
    assert len(queries) == 0


@pytest.mark.usefixtures("capped")
def test_one_count_looks_at_a_bounded_number_of_rows(uncommitted: str) -> None:
    fill("mail", 30)
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        (found,) = find_overfull(uncommitted)
    assert len(queries) == 1 and found.rows == 7


@pytest.mark.usefixtures("capped")
@pytest.mark.parametrize("first", ["mail", "replica"])
def test_of_two_overfull_queues_one_is_always_found(uncommitted: str, first: str) -> None:
    second = {"mail": "replica", "replica": "mail"}[first]
    fill(first, 10)
    fill(second, 10)
    assert find_overfull(uncommitted)


@on_sqlite
def test_a_queue_that_left_the_settings_is_found_as_well(
    uncommitted: str, configure: Callable[..., None], heard: Heard
) -> None:
    configure(master={"outbox_max_rows": 3, "replicas": {}})
    fill("given up", 4)
    announce_overfull(uncommitted)
    assert [one["queue"] for one in heard] == ["given up"]


@pytest.mark.usefixtures("capped")
def test_beats_drain_announces_it_and_deletes_nothing(
    database: str, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    fill("mail", 4)
    tasks.drain_outbox()
    assert [one["queue"] for one in heard] == ["mail"] and Outbox.objects.count() == 4
    warning = next(one for one in caplog.records if one.levelname == "WARNING")
    assert warning.getMessage() == f"overfull: more than 3 changes of {database} wait for mail"


@pytest.mark.usefixtures("capped")
def test_a_check_that_looks_at_the_database_warns(uncommitted: str) -> None:
    fill("mail", 4)
    (problem,) = [one for one in problems(databases=[uncommitted]) if one.id == "celery_cqrs.W010"]
    assert problem.msg == f"more than 3 changes of {uncommitted!r} wait for 'mail'."
    assert "docs/howto/a-replica-that-never-comes-back.md" in str(problem.hint)
    assert not problem.is_serious()


@pytest.mark.usefixtures("capped")
@on_sqlite
def test_a_check_that_looks_at_no_database_or_finds_no_queue_overfull_says_nothing(uncommitted: str) -> None:
    fill("mail", 4)
    assert problems() == []
    Outbox.objects.filter(pk_text="1").delete()
    assert problems(databases=[uncommitted]) == []


@pytest.mark.usefixtures("capped")
@on_sqlite
def test_the_status_shows_it_and_fails_without_being_asked(uncommitted: str) -> None:
    fill("mail", 4)
    ran = run("cqrs_status")
    assert (ran.error, ran.code) == ("4 rows of default wait for mail, and outbox_max_rows is 3", 1)
    Outbox.objects.filter(pk_text="1").delete()
    assert run("cqrs_status").code == 0


@on_sqlite
@pytest.mark.parametrize("value", [None, 0, 1])
def test_a_cap_is_a_number_or_none(uncommitted: str, configure: Callable[..., None], value: int | None) -> None:
    configure(master={"outbox_max_rows": value})
    assert problems(databases=[uncommitted]) == []
