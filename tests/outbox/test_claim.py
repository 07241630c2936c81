"""Claiming: pending rows become sent, key by key, by the time from which they are available."""

from datetime import timedelta

from django.utils import timezone

from celery_cqrs.database import clock
from celery_cqrs.master import outbox
from celery_cqrs.master.claim import has_due
from celery_cqrs.models import Destination, Outbox
from tests.harness.claims import claim
from tests.outbox.conftest import ids, pending, put


def test_a_claimed_row_is_sent_at_the_moment_of_the_claim(uncommitted):
    row = put()
    before = clock.now(uncommitted)
    claimed = claim(uncommitted, 10)
    after = clock.now(uncommitted)
    row.refresh_from_db()
    assert ids(claimed) == [row.id]
    assert before <= row.sent_at <= after and row.attempts == 1


def test_the_returned_rows_tell_what_is_stored(uncommitted):
    put()
    (claimed,) = claim(uncommitted, 10)
    assert Outbox.objects.filter(id=claimed.id, sent_at=claimed.sent_at, attempts=claimed.attempts).exists()
    assert outbox.stamp_of([claimed]) == Outbox.objects.get().sent_at


def test_a_sent_row_is_not_claimed_again(uncommitted):
    put()
    claim(uncommitted, 10)
    assert claim(uncommitted, 10) == []


def test_an_empty_outbox_has_nothing_to_claim(uncommitted):
    assert claim(uncommitted, 10) == [] and not has_due(uncommitted)


def test_rows_available_longest_are_claimed_first_and_returned_by_id(uncommitted):
    rows = [put(pk, seconds=seconds) for pk, seconds in enumerate((-1, -30, -20, -10))]
    assert ids(claim(uncommitted, 2)) == [rows[1].id, rows[2].id]
    assert pending() == [rows[0].id, rows[3].id]


def test_a_row_that_is_not_available_yet_waits(uncommitted):
    put(seconds=60)
    assert claim(uncommitted, 10) == [] and not has_due(uncommitted)


def test_all_pending_rows_of_a_key_are_claimed_together_beyond_the_limit(uncommitted):
    first = [put(1, seconds=-10), put(1, seconds=-2), put(1, seconds=-1)]
    put(2, seconds=-5)
    assert ids(claim(uncommitted, 1)) == ids(first)


def test_rows_of_the_same_key_for_another_queue_have_a_claim_of_their_own(uncommitted):
    shop, search = put(1, queue="shop", seconds=-2), put(1, queue="search", seconds=-1)
    assert ids(claim(uncommitted, 1)) == [shop.id]
    assert ids(claim(uncommitted, 1)) == [search.id]


def test_rows_of_the_same_key_of_another_model_have_a_claim_of_their_own(uncommitted):
    author, _ = put(1, seconds=-2), put(1, cqrs_id="product", seconds=-1)
    assert ids(claim(uncommitted, 1)) == [author.id]


def test_a_waiting_row_of_a_claimed_key_goes_with_its_siblings(uncommitted):
    rows = [put(1, seconds=60), put(1, seconds=-1)]
    assert ids(claim(uncommitted, 10)) == ids(rows)


def test_a_waiting_row_of_another_key_is_not_carried_along(uncommitted):
    put(1, cqrs_id="author")
    put(2, cqrs_id="product")
    waiting = put(2, cqrs_id="author", seconds=60)
    claim(uncommitted, 10)
    assert pending() == [waiting.id]


def test_a_claim_for_some_queues_leaves_the_rows_of_others(uncommitted):
    other, shop, search = (put(number, queue=name) for number, name in enumerate(("mail", "shop", "search")))
    assert ids(claim(uncommitted, 10, queues=["shop", "search"])) == [shop.id, search.id]
    assert pending() == [other.id]


def test_rows_of_other_queues_are_not_due_for_a_publisher_of_one(uncommitted):
    put(queue="mail")
    assert not has_due(uncommitted, ["shop"]) and has_due(uncommitted, ["mail"])
    assert claim(uncommitted, 10, queues=["shop"]) == []


def test_rows_of_a_resting_queue_wait_also_when_it_is_asked_for(uncommitted):
    put(queue="shop")
    outbox.rest_queue(uncommitted, "shop")
    assert claim(uncommitted, 10, queues=["shop"]) == [] and not has_due(uncommitted, ["shop"])


def test_rows_of_a_resting_queue_wait_while_others_go(uncommitted):
    resting, other = put(1, queue="shop"), put(2, queue="search")
    outbox.rest_queue(uncommitted, "shop")
    assert ids(claim(uncommitted, 10)) == [other.id] and pending() == [resting.id]


def test_rows_of_a_rested_queue_are_claimed_again(uncommitted):
    row = put(queue="shop")
    Destination.objects.create(queue="shop", rests_until=timezone.now() - timedelta(seconds=1))
    assert ids(claim(uncommitted, 10)) == [row.id]


def test_rows_of_another_kind_are_left_alone(uncommitted):
    put(kind="event")
    assert claim(uncommitted, 10) == [] and not has_due(uncommitted)


def test_a_sweep_leaves_fresh_rows_to_their_publisher(uncommitted):
    old, _ = put(1, seconds=-30), put(2, seconds=-1)
    assert ids(claim(uncommitted, 10, older_than_seconds=10)) == [old.id]


def test_claims_go_on_until_every_row_was_claimed_once(uncommitted):
    rows = [put(pk) for pk in range(23)]
    claimed = []
    while part := claim(uncommitted, 5):
        claimed += ids(part)
    assert sorted(claimed) == ids(rows)
    assert set(Outbox.objects.values_list("attempts", flat=True)) == {1}


def test_keys_that_differ_only_in_case_or_blanks_are_claimed_apart(uncommitted):
    rows = [put(pk, seconds=-9 + number) for number, pk in enumerate(("a", "A", "a ", "ä"))]
    for row in rows:
        assert ids(claim(uncommitted, 1)) == [row.id]


def test_changes_are_claimed_before_what_is_only_sent_again(uncommitted):
    again = [put(number, seconds=-60, signal_type="SYNC") for number in range(3)]
    changes = [put(10, signal_type="SAVE"), put(11, signal_type="DELETE", revision=1)]
    assert ids(claim(uncommitted, 2)) == [one.id for one in changes]
    assert ids(claim(uncommitted, 2)) == [one.id for one in again[:2]]
    late = put(12)
    assert ids(claim(uncommitted, 2)) == [again[2].id, late.id]
