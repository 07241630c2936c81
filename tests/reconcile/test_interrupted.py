"""Whatever is lost or killed in the middle of a comparison, it goes on where it stood, or ends and changes nothing."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from uuid import UUID

import pytest
from django.db import connection

from celery_cqrs import tasks, testing
from celery_cqrs.models import Inquiry, Outbox, Reconciliation
from celery_cqrs.reconcile import conversation, lease
from celery_cqrs.reconcile.digest import KEY
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.reconcile.walk import CHUNKS_PER_QUESTION, MOST_OPEN, walk
from celery_cqrs.testing.stage import Stage
from celery_cqrs.transport.base import COMPARE
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, Shelf
from tests.reconcile.drift import FIVE, contents, counts, create_authors, make_five_kinds
from tests.settle.conftest import sqlite  # noqa: F401 (fixture)

STRIDE = 61
"""Not every statement is tried each time; with 7 and 29 it passed too."""


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@contextmanager
def killed_at(statement):
    """The process dies at this statement, and nothing after it reaches the database; yields how many there were."""
    seen = [0]

    def execute_or_die(execute, *arguments):
        seen[0] += 1
        if seen[0] >= statement:
            raise Killed
        return execute(*arguments)

    with suppress(Killed), connection.execute_wrapper(execute_or_die):
        yield seen


@pytest.fixture
def stage(sqlite):  # noqa: F811
    """Sixty authors that both sides have."""
    stage = Stage()
    create_authors()
    stage.deliver()
    return stage


def begin(deep=True):
    """Comparisons of authors are asked for; nobody has answered yet."""
    (run,) = conversation.start("default", Wish(deep=deep), ["author"], by_hand=True)
    return run


def go_on_after_minutes(stage, minutes=11):
    """Time passes, and beat ticks."""
    stage.pass_time(minutes=minutes)
    tasks.drain_outbox()
    stage.deliver()


def end_of(run):
    run.refresh_from_db()
    return run


def test_a_worker_that_is_killed_at_any_statement_is_followed_by_another(stage):
    make_five_kinds()
    kept = [tuple(model._base_manager.order_by("pk").values()) for model in (Author, AuthorRef)]
    statement, survived = 1, False
    while not survived:
        for model, rows in zip((Author, AuthorRef), kept, strict=True):
            model._base_manager.all()._raw_delete("default")
            model._base_manager.bulk_create(model(**row) for row in rows)
        run = begin()
        with killed_at(statement) as seen:
            testing.deliver()
        survived = seen[0] < statement
        MemoryTransport.clear()
        while end_of(run).active or Outbox.objects.exists():
            go_on_after_minutes(stage)
        assert (end_of(run).state, counts(run), run.remaining) == ("complete", FIVE, 0), statement
        assert contents(AuthorRef) == contents(Author), statement
        statement += STRIDE
    assert statement > 10 * STRIDE


@pytest.mark.parametrize("number", range(1, 8))
def test_any_message_that_is_lost_is_asked_for_again(stage, number):
    make_five_kinds()
    run = begin()
    testing.deliver(limit=number)
    MemoryTransport.clear()
    go_on_after_minutes(stage)
    go_on_after_minutes(stage)
    assert (end_of(run).state, counts(run), run.remaining) == ("complete", FIVE, 0)
    assert contents(AuthorRef) == contents(Author)


def test_a_walk_that_waits_for_answers_when_all_is_asked_does_not_begin_anew(stage, configure):
    configure(reconcile={"chunk_rows": 1})
    Author.objects.all()._raw_delete("default")
    AuthorRef.objects.all()._raw_delete("default")
    create_authors(CHUNKS_PER_QUESTION[KEY] * MOST_OPEN - 2)  # the chunks before and behind them are open
    stage.deliver()
    run = begin()
    testing.deliver(limit=100)
    assert (end_of(run).state, run.master_rows) == ("complete", Author.objects.count())


def test_all_that_one_scan_has_found_is_asked_however_long_it_took(stage, configure):
    configure(reconcile={"chunk_rows": 1})
    Shelf.objects.bulk_create(Shelf(id=UUID(int=number), label="-") for number in range(200))
    (run,) = conversation.start("default", Wish(), ["shelf"], by_hand=True)
    run.key_kind = "uuid"
    walk(run._state.db, run, lease.take("default", run.pk), lambda: False)
    assert run.walked and run.inquiries.count() > 1


def test_messages_that_come_twice_are_counted_and_repaired_once(stage):
    make_five_kinds()
    run = begin()
    while waiting := MemoryTransport.queues["replica"]:
        envelope = waiting.popleft()
        for _ in range(2):
            testing.deliver_one(envelope)
    assert (end_of(run).state, counts(run), run.repaired) == ("complete", FIVE, 5)
    assert contents(AuthorRef) == contents(Author)


def test_a_replica_that_never_answers_ends_the_run_and_nothing_is_changed(stage):
    make_five_kinds()
    before = contents(Author), contents(AuthorRef)
    run = begin()
    testing.deliver(limit=1)
    for _ in range(8):
        MemoryTransport.clear()
        stage.pass_time(minutes=11)
        tasks.drain_outbox()
    assert (end_of(run).state, run.active, run.repaired) == ("no answer", None, 0)
    assert "Does a worker of it run" in run.note
    assert not Outbox.objects.exists() and not Inquiry.objects.exists()
    assert (contents(Author), contents(AuthorRef)) == before


def test_no_row_is_deleted_while_a_single_question_has_no_answer(stage, configure):
    configure(reconcile={"chunk_rows": 1})
    make_five_kinds()
    run = begin()
    for _ in range(8):
        while waiting := MemoryTransport.queues["replica"]:
            envelope = waiting.popleft()
            if not is_about_the_lowest_rows(envelope):
                testing.deliver_one(envelope)
        stage.pass_time(minutes=11)
        conversation.tick("default")
    assert (end_of(run).state, run.extra, run.repaired) == ("no answer", 2, 3)
    assert AuthorRef.objects.filter(pk__in=(50, 900)).count() == 2


def is_about_the_lowest_rows(envelope):
    """Whether this is the first question about chunks, the only one that begins at no row."""
    body = envelope.payload.get("body", {}) if envelope.task == COMPARE else {}
    return body.get("intervals", [[0]])[0][0] is None


def test_two_beats_begin_one_comparison_of_each_pair(stage):
    for _ in range(2):
        tasks.reconcile({"v": 1, "order": "start", "deep": False})
    assert Reconciliation.objects.filter(cqrs_id="author").count() == 1
    stage.deliver()
    assert Reconciliation.objects.get(cqrs_id="author").state == "complete"


def test_a_deep_comparison_takes_the_place_of_a_quick_one_and_not_the_reverse(stage):
    for deep in (False, True, False):
        tasks.reconcile({"v": 1, "order": "start", "deep": deep})
    runs = Reconciliation.objects.filter(cqrs_id="author").order_by("id")
    assert [(run.deep, run.state) for run in runs] == [(False, "replaced"), (True, "requested")]


def test_comparing_pauses_while_many_changes_wait_for_the_queue(stage, configure):
    configure(reconcile={"pause_rows": 5})
    run = begin()
    Outbox.objects.bulk_create(waiting_change(number) for number in range(6))
    testing.deliver(limit=1)
    assert end_of(run).state == "requested"
    Outbox.objects.first().delete()
    conversation.tick("default")
    testing.deliver()
    assert end_of(run).state == "complete"


def test_a_comparison_that_waits_for_hours_ends_as_busy(stage, configure):
    configure(reconcile={"pause_rows": 5})
    run = begin()
    testing.deliver(limit=2)
    Outbox.objects.bulk_create(waiting_change(number) for number in range(6))
    Inquiry.objects.all().delete()
    stage.pass_time(hours=7)
    conversation.tick("default")
    assert end_of(run).state == "busy"


def waiting_change(number):
    """An outbox row that is far from its turn."""
    moments = {"captured_at": "2026-01-01T00:00Z", "available_at": "9999-01-01T00:00Z"}
    return Outbox(queue="replica", cqrs_id="product", pk_text=str(number), signal_type="SAVE", **moments)


def test_old_comparisons_are_forgotten_with_old_deletions(stage):
    stage.reconcile("author", "product")
    stage.pass_time(days=9)
    tasks.prune_rows()
    assert Reconciliation.objects.count() == 2
    stage.pass_time(days=2)
    tasks.prune_rows()
    assert not Reconciliation.objects.exists()
