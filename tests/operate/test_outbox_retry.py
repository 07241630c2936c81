"""``cqrs_outbox retry``: what waits is sent at once, what was sent is sent once more, and no publisher is disturbed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import breaker, choice, outbox
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Destination, Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.conftest import on_sqlite, with_row_locks
from tests.harness.claims import claim
from tests.operate.conftest import aside, run
from tests.outbox.conftest import ids, pending, put
from tests.publish.conftest import let_pass

Elsewhere = Callable[..., Future[Any]]
LEFT_ALONE = "0 rows are pending now\n1 rows are being sent or confirmed just now and were left alone\n"


def sent(pk: Any = 1, seconds_ago: float = 60, **values: Any) -> Outbox:
    """A row that was sent so long ago."""
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    return put(pk, seconds=-seconds_ago - 1, sent_at=moment, **{"attempts": 2, **values})


def test_a_row_that_was_set_aside_can_be_claimed_at_once_and_starts_anew(uncommitted: str) -> None:
    row = aside(attempts=7)
    assert claim(uncommitted, 10) == []
    assert run("cqrs_outbox", "retry").output == "1 rows are pending now\n"
    (claimed,) = claim(uncommitted, 10)
    assert (claimed.id, claimed.attempts, claimed.error) == (row.id, 1, "")
    outbox.set_aside(uncommitted, [([claimed], "still too strange")])
    wait = Outbox.objects.get().available_at - timezone.now()
    assert wait.total_seconds() == pytest.approx(outbox.SET_ASIDE_SECONDS, abs=3)


def test_a_row_that_was_sent_is_sent_once_more_and_counts_on(uncommitted: str) -> None:
    row = sent()
    assert run("cqrs_outbox", "retry").output == "1 rows are pending now\n"
    (claimed,) = claim(uncommitted, 10)
    assert (claimed.id, claimed.attempts) == (row.id, 3)


def test_a_row_that_was_claimed_a_moment_ago_is_left_alone(uncommitted: str) -> None:
    put()
    claim(uncommitted, 10)
    before = Outbox.objects.values().get()
    assert run("cqrs_outbox", "retry").output == LEFT_ALONE
    assert Outbox.objects.values().get() == before


@on_sqlite
def test_the_moment_is_that_by_which_evidence_is_judged(uncommitted: str, configure: Callable[..., None]) -> None:
    configure(master={"resend_margin_seconds": 100})
    sent(seconds_ago=60)
    assert run("cqrs_outbox", "retry").output == LEFT_ALONE


def test_a_pending_row_stays_as_it_is(uncommitted: str) -> None:
    put()
    before = Outbox.objects.values().get()
    run("cqrs_outbox", "retry")
    assert Outbox.objects.values().get() == before


def test_only_the_chosen_rows_are_retried(uncommitted: str) -> None:
    rows = [aside(pk, error=f"error {pk}") for pk in range(4)]
    run("cqrs_outbox", "retry", "--error", "error 2")
    assert ids(claim(uncommitted, 10)) == [rows[2].id]


def test_the_limit_takes_the_oldest(uncommitted: str) -> None:
    rows = [aside(pk) for pk in range(4)]
    assert run("cqrs_outbox", "retry", "--limit", "2").output == "2 rows are pending now\n"
    assert ids(claim(uncommitted, 10)) == ids(rows[:2])


def test_retried_rows_go_out_in_the_order_of_their_capture(uncommitted: str) -> None:
    later, earlier = sent(1, seconds_ago=50), sent(2, seconds_ago=500)
    put(3)
    run("cqrs_outbox", "retry")
    assert [claim(uncommitted, 1)[0].id for _ in range(2)] == [earlier.id, later.id]


@on_sqlite
def test_more_rows_than_a_portion_are_all_retried(uncommitted: str) -> None:
    model = aside()
    copies = [Outbox(**{**Outbox.objects.values().get(), "id": None, "pk_text": str(pk)}) for pk in range(2_345)]
    model.delete()
    Outbox.objects.bulk_create(copies)
    assert run("cqrs_outbox", "retry").output == "2345 rows are pending now\n"
    assert Outbox.objects.filter(error="").count() == 2_345


@on_sqlite
def test_a_fault_of_the_publisher_after_the_retry_changes_nothing_about_the_row(uncommitted: str) -> None:
    put()
    slow = claim(uncommitted, 10)
    let_pass(10)
    run("cqrs_outbox", "retry")
    before = Outbox.objects.values().get()
    outbox.give_back(uncommitted, slow, later_seconds=60)
    outbox.set_aside(uncommitted, [(slow, "too late")])
    assert Outbox.objects.values().get() == before and len(pending()) == 1


@on_sqlite
def test_a_confirmation_of_the_first_sending_ends_a_retried_row(uncommitted: str) -> None:
    put(seconds=-30)
    first = claim(uncommitted, 10)
    let_pass(10)
    run("cqrs_outbox", "retry")
    outbox.confirm(uncommitted, "shop", ids(first), outbox.stamp_of(first))
    assert not Outbox.objects.exists()


@with_row_locks
def test_rows_that_a_publisher_holds_are_passed_over_without_waiting(database: str, elsewhere: Elsewhere) -> None:
    rows = [put(pk, error="x", seconds=-30 + pk) for pk in range(4)]
    with transaction.atomic(using=database):
        claim(database, 2)
        done = elsewhere(retry_all, database).result(timeout=30)
        assert done == choice.Done(changed=2, left=2, rows=4)
    assert ids(claim(database, 10)) == ids(rows[2:])


def retry_all(using: str) -> choice.Done:
    return choice.retry_rows(using, choice.Choice().on(using))


@with_row_locks
def test_a_publisher_passes_over_rows_that_a_retry_holds(database: str, elsewhere: Elsewhere) -> None:
    put(1, error="x")
    free = put(2, queue="mail")
    with transaction.atomic(using=database):
        choice.retry_rows(database, choice.Choice(queue="shop").on(database))
        assert ids(elsewhere(claim, database, 10).result(timeout=30)) == [free.id]


def test_every_change_arrives_once_with_publishers_and_retries_side_by_side(
    database: str, elsewhere: Elsewhere, configure: Callable[..., None]
) -> None:
    configure(master={"batch_size": 5})
    MemoryTransport.fail_with = BrokerUnavailable(problem="not yet")
    Author.cqrs.bulk_create([Author(pk=pk, name=f"name {pk}") for pk in range(1, 61)])
    MemoryTransport.fail_with = None
    Outbox.objects.update(error="x")
    let_pass(20)
    breaker.reset()
    work = [elsewhere(drain_all, database), *(elsewhere(retry_all, database) for _ in range(3))]
    work.append(elsewhere(drain_all, database))
    for one in work:
        one.result(timeout=60)
    drain_all(database)
    testing.deliver()
    assert AuthorRef.objects.count() == 60 and not Outbox.objects.exists()


def test_a_retry_after_the_mending_brings_what_was_set_aside_and_what_was_lost(database: str) -> None:
    Author.objects.create(pk=1, name="lost")
    MemoryTransport.clear()
    let_pass(20)
    Outbox.objects.update(cqrs_id="gone")
    aside_row = put(2, cqrs_id="gone", queue="replica")
    drain_all(database)
    assert Outbox.objects.get(id=aside_row.id).error
    Outbox.objects.update(cqrs_id="author")
    Author.objects.bulk_create([Author(pk=2, name="set aside")])
    assert run("cqrs_outbox", "retry", "--queue", "replica").output == "2 rows are pending now\n"
    drain_all(database)
    testing.deliver()
    assert dict(AuthorRef.objects.values_list("pk", "name")) == {1: "lost", 2: "set aside"}
    assert not Outbox.objects.exists() and Destination.objects.get().confirmed_at
