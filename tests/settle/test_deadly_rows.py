"""A row that kills its worker is found: suspects are counted one by one, and the culprit is put aside after three."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celery_cqrs.batch import Batch
from celery_cqrs.database.alive import sign_of_life
from celery_cqrs.message import Message
from celery_cqrs.models import Attempt, Letter
from celery_cqrs.outcome import Applied, Dead, Reason, Skipped
from celery_cqrs.replica import attempts
from celery_cqrs.replica.receive import receive
from tests import router
from tests.app.models import AuthorRef
from tests.conftest import on_database
from tests.receive.wire import author, batch, confirmed, deliver, message, retry_now
from tests.settle.deadly import MISSING, WORSE, dies, fragile

SERVERS = [pytest.param(alias, marks=on_database(alias)) for alias in ("postgres", "mariadb")]


def neighbours(*deadly, count=9):
    """A batch of authors, of whom some are deadly; whoever was put aside for that."""
    return batch(*(fragile(pk, WORSE if pk in deadly else "harmless") for pk in range(1, count + 1)))


def buried():
    """The keys of the dead letters, with the one reason that all must have."""
    letters = Letter.objects.order_by("id")
    assert {(one.state, one.reason) for one in letters} <= {(Letter.DEAD, attempts.REASON)}
    return [int(one.pk_text) for one in letters]


def kills_until_it_lives(payload):
    """How many workers are killed by ``payload``, first delivered and then again and again, until one lives."""
    kills = 0
    while dies(receive, payload, redelivered=kills > 0):
        kills += 1
        assert kills < 10, "it never ends"
    receive(payload, redelivered=True)
    return kills


def note_start(payload, using="default", holder=None):
    """A worker that was given ``payload`` again is killed in the middle: it had counted its start and did no more."""
    decoded = Batch.from_message(payload)
    messages = map(Message.from_message, decoded.messages)
    attempts.note_starts(using, [attempts.key_of(decoded, one) for one in messages], holder)


# ── who is counted ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_first_delivery_writes_nothing_about_attempts(sqlite):
    deliver(author(99))
    with CaptureQueriesContext(connections["default"]) as statements:
        receive(batch(author(1)))
    assert not [one for one in statements.captured_queries if "celery_cqrs_attempt" in one["sql"]]


@pytest.mark.parametrize(
    ("attempt", "redelivered", "suspect"),
    [(1, False, False), (2, False, False), (1, True, True), (3, False, True)],
)
def test_what_was_redelivered_or_sent_for_the_third_time_is_suspect(attempt, redelivered, suspect):
    assert attempts.is_suspect(Batch.from_message(batch(author(1), attempt=attempt)), redelivered) is suspect


def test_a_suspect_batch_costs_four_statements_more_however_many_messages_it_has(sqlite):
    for count in (1, 20):
        with CaptureQueriesContext(connections["default"]) as captured:
            receive(batch(*(author(pk) for pk in range(1, count + 1))), redelivered=True)
        assert len([one for one in captured.captured_queries if "celery_cqrs_attempt" in one["sql"]]) == 4


def test_a_suspect_batch_that_lets_its_worker_live_is_applied_and_no_longer_counted(sqlite):
    receive(batch(author(1), author(2)), redelivered=True)
    assert AuthorRef.objects.count() == 2
    assert confirmed() == [100, 200]
    assert not Attempt.objects.exists()


def test_a_batch_that_fails_in_an_ordinary_way_did_not_kill_its_worker(sqlite):
    receive(batch(author(1, rival=999), message("unicorn", 1)), redelivered=True)
    assert not Attempt.objects.exists()
    assert Letter.objects.count() == 2


# ── who is put aside ───────────────────────────────────────────────────────────────────────────────────────────────
def test_a_deadly_row_is_put_aside_after_three_kills_and_its_neighbours_are_applied(database):
    assert kills_until_it_lives(neighbours(5)) == 3
    assert buried() == [5]
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == set(range(1, 10)) - {5}
    assert confirmed() == [pk * 100 for pk in range(1, 10)]


def test_five_hundred_rows_with_a_deadly_one_cost_no_more_than_three_kills(sqlite):
    assert kills_until_it_lives(neighbours(250, count=500)) == 3
    assert buried() == [250]
    assert AuthorRef.objects.count() == 499


@pytest.mark.parametrize("deadly", [(1, 2), (3, 7), (1, 9), (2, 5, 8)])
def test_several_deadly_rows_in_one_batch_are_each_put_aside(database, deadly):
    assert kills_until_it_lives(neighbours(*deadly)) == 2 + len(deadly)
    assert sorted(buried()) == list(deadly)
    assert AuthorRef.objects.count() == 9 - len(deadly)


def test_a_single_deadly_message_is_put_aside_after_three_kills_as_well(sqlite):
    assert kills_until_it_lives(batch(fragile(1, WORSE))) == 3
    assert buried() == [1]
    assert confirmed() == [100]


def test_a_deadly_row_is_found_though_it_travels_in_other_batches_each_time(sqlite):
    """As when the master sends it again, with whatever else is pending then."""
    for attempt, company in enumerate(([1, 2], [3], [4, 5], [6]), start=1):
        payload = batch(*map(fragile, company), fragile(7, WORSE), attempt=attempt)
        assert dies(receive, payload)
    last = batch(fragile(7, WORSE), *map(fragile, range(1, 7)), fragile(8), attempt=5)
    assert not dies(receive, last)
    assert buried() == [7]
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 2, 3, 4, 5, 6, 8}


def test_another_copy_of_a_message_that_was_put_aside_ends_likewise_and_kills_nobody(sqlite):
    payload = batch(fragile(1, WORSE))
    kills_until_it_lives(payload)
    assert [outcome for _, outcome in receive(payload, redelivered=True)] == [Dead(attempts.REASON)]
    assert buried() == [1]


def test_a_row_of_a_model_that_is_applied_in_bulk_is_put_aside_likewise(database):
    payload = batch(author(1))
    note_start(payload, database)
    note_start(payload, database)
    assert [outcome for _, outcome in receive(payload, redelivered=True)] == [Dead(attempts.REASON)]
    assert not AuthorRef.objects.exists()


def test_a_deadly_message_that_has_become_stale_is_skipped_and_leaves_no_letter(sqlite):
    payload = batch(author(1))
    note_start(payload)
    note_start(payload)
    deliver(author(1, 5))
    assert [outcome for _, outcome in receive(payload, redelivered=True)] == [Skipped(Reason.WRONG_ORDER)]
    assert not Letter.objects.exists()


def test_a_newer_change_of_the_row_gets_tries_of_its_own(sqlite):
    kills_until_it_lives(batch(fragile(1, WORSE)))
    newer = {**fragile(1), "outbox_ids": [101]}
    newer["instance_data"]["cqrs_revision"] = 1
    assert [outcome for _, outcome in receive(batch(newer), redelivered=True)] == [Applied()]
    assert not Letter.objects.exists()


@pytest.mark.parametrize("starts", [0, 1])
def test_a_message_that_was_killed_less_than_three_times_is_tried_again(sqlite, starts):
    payload = batch(author(1))
    for _ in range(starts):
        note_start(payload)
    assert [outcome for _, outcome in receive(payload, redelivered=True)] == [Applied()]


# ── letters ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_letter_whose_retry_kills_the_worker_is_dead_after_three_kills(database):
    deliver(fragile(1, f"{MISSING}, {WORSE}"), fragile(2, MISSING), fragile(3, MISSING))
    deliver(author(999))
    kills = 0
    while dies(retry_now):
        kills += 1
        assert kills < 10, "it never ends"
    assert kills == 3
    assert buried() == [1]
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {2, 3, 999}
    assert not Attempt.objects.exists()


def test_a_person_who_retries_a_deadly_letter_gives_it_all_its_tries_again(sqlite):
    deliver(fragile(1, f"{MISSING}, {WORSE}"))
    deliver(author(999))
    while dies(retry_now):
        pass
    Letter.objects.update(state=Letter.RETRYING)
    assert [dies(retry_now) for _ in range(4)] == [True, True, True, False]


# ── the counts ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_malformed_messages_may_be_suspect_too(sqlite):
    receive(batch(None, {"outbox_ids": "x"}, author(1)), redelivered=True)
    assert AuthorRef.objects.count() == 1
    assert not Attempt.objects.exists()


def test_old_counts_are_forgotten(sqlite):
    note_start(batch(author(1)))
    Attempt.objects.update(started_at=timezone.now() - timedelta(seconds=attempts.KEPT_SECONDS + 1))
    note_start(batch(author(2)))
    assert attempts.prune("default") == 1
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("server", SERVERS)
def test_copies_that_others_have_at_hand_are_no_kills(server):
    payload = batch(author(1), outbox=server)
    with router.whole_process_using(server):
        with sign_of_life(server) as holder:
            for _ in range(3):
                note_start(payload, server, holder)
            assert list(receive(payload, redelivered=True)) == []
            assert not Letter.objects.exists() and confirmed() == []
        receive(payload, redelivered=True)
        assert buried() == [1]


@pytest.mark.parametrize("server", SERVERS)
def test_a_sign_of_life_that_has_stayed_for_an_hour_is_no_sign_of_work(server):
    payload = batch(author(1), outbox=server)
    with router.whole_process_using(server), sign_of_life(server) as holder:
        for _ in range(3):
            note_start(payload, server, holder)
        Attempt.objects.update(started_at=timezone.now() - timedelta(hours=2))
        receive(payload, redelivered=True)
        assert buried() == [1]
