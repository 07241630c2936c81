"""Bundles on their way: claimed beside rows, confirmed key by key, taken apart where one key needs a row of its own."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs.database import clock
from celery_cqrs.master import bundles, outbox
from celery_cqrs.master.claim import BUNDLES_AT_ONCE
from celery_cqrs.master.claimed import Member, member_id, place_of, row_of
from celery_cqrs.models import Outbox
from tests.harness.claims import claim
from tests.outbox.conftest import ids, put

KEYS = [f"k{number}" for number in range(6)]


def put_bundle(keys=KEYS, **values):
    """A pending bundle of these keys."""
    return put("", kind="bundle", keys=list(keys), size=len(keys), **{"seconds": -7_200, **values})


def numbers(bundle, *places):
    """The numbers on the wire of the keys at these places."""
    return [member_id(bundle.id, place) for place in places]


def left():
    """What is not confirmed: the keys of bundles and the keys of rows."""
    bundled = [key for row in Outbox.objects.filter(kind="bundle") for key in row.keys if key is not None]
    return bundled, list(Outbox.objects.filter(kind="sync").order_by("id").values_list("pk_text", flat=True))


def confirm(using, *confirmed, queue="shop", seconds=0):
    return outbox.confirm(using, queue, confirmed, clock.now(using) + timedelta(seconds=seconds))


@pytest.fixture
def sent(uncommitted):
    """A bundle that has been claimed."""
    put_bundle()
    (claimed,) = claim(uncommitted, 10)
    return claimed


def test_a_number_on_the_wire_tells_its_bundle_and_its_place():
    assert row_of(17) == 17
    assert row_of(member_id(17, 499)) == 17 and place_of(member_id(17, 499)) == 499


def test_numbers_of_bundles_are_ids_that_every_replica_takes():
    assert member_id(2**52 - 1, bundles.MOST_KEYS - 1) < 2**63


def test_a_claimed_bundle_tells_its_keys_by_their_places(sent):
    assert sent.is_bundle and sent.attempts == 1 and sent.members == dict(enumerate(KEYS))


def test_rows_and_bundles_do_not_wait_for_each_other(uncommitted):
    bundle, row = put_bundle(seconds=-1), put(1, seconds=-1)
    assert {claimed.id for claimed in claim(uncommitted, 1)} == {bundle.id, row.id}


def test_what_was_captured_after_more_bundles_than_are_claimed_waits_for_them(uncommitted):
    most = BUNDLES_AT_ONCE
    many = [put_bundle(seconds=-100 + number) for number in range(most + 1)]
    early, late = put(1, seconds=-100.5), put(2, seconds=-1)
    assert ids(claim(uncommitted, 500)) == [*ids(many[:most]), early.id]
    assert ids(claim(uncommitted, 500)) == [many[most].id, late.id]


def test_bundles_of_one_queue_hold_no_other_queue_up(uncommitted):
    many = [put_bundle(seconds=-100 + number) for number in range(BUNDLES_AT_ONCE + 1)]
    behind, other = put(1), put(1, queue="search")
    assert ids(claim(uncommitted, 500)) == [*ids(many[:-1]), other.id]
    assert ids(claim(uncommitted, 500)) == [many[-1].id, behind.id]


def test_all_rows_of_a_key_go_together_also_across_bundles(uncommitted):
    first = put(1, seconds=-200)
    many = [put_bundle(seconds=-100 + number) for number in range(BUNDLES_AT_ONCE + 1)]
    last = put(1, seconds=-1)
    assert ids(claim(uncommitted, 500)) == [first.id, *ids(many[:-1]), last.id]


def test_a_bundle_waits_for_rows_that_were_captured_before_it(uncommitted):
    rows = [put(number, seconds=-10 + number) for number in range(3)]
    bundle = put_bundle(seconds=-1)
    assert ids(claim(uncommitted, 2)) == ids(rows[:2])
    assert ids(claim(uncommitted, 2)) == [rows[2].id, bundle.id]


def test_bundles_for_a_queue_that_rests_hold_nobody_up(uncommitted):
    for number in range(BUNDLES_AT_ONCE + 1):
        put_bundle(seconds=-100 + number)
    row = put(1, queue="search")
    outbox.rest_queue(uncommitted, "shop")
    assert ids(claim(uncommitted, 500)) == [row.id]


def test_bundles_that_only_sync_let_changes_go_first(uncommitted):
    changes = [put(number) for number in range(3)]
    syncs = put_bundle(signal_type="SYNC")
    assert [claimed.id for claimed in claim(uncommitted, 3)] == [row.id for row in changes]
    assert [claimed.id for claimed in claim(uncommitted, 3)] == [syncs.id]


def test_a_few_bundles_are_claimed_at_a_time(uncommitted):
    for _ in range(10):
        put_bundle()
    assert len(claim(uncommitted, 500)) == BUNDLES_AT_ONCE


def test_a_confirmed_bundle_is_gone(uncommitted, sent):
    assert confirm(uncommitted, *numbers(sent, *range(6))) == 6
    assert left() == ([], [])


def test_keys_that_are_not_confirmed_stay(uncommitted, sent):
    assert confirm(uncommitted, *numbers(sent, 0, 2, 5)) == 3
    assert left() == (["k1", "k3", "k4"], []) and Outbox.objects.get().size == 3


def test_the_same_keys_confirmed_again_are_nothing_new(uncommitted, sent):
    for expected in (3, 0, 0):
        assert confirm(uncommitted, *numbers(sent, 0, 1, 2)) == expected
    assert left() == (["k3", "k4", "k5"], [])


def test_a_queue_confirms_its_own_bundles_only(uncommitted, sent):
    assert confirm(uncommitted, *numbers(sent, 0), queue="search") == 0


def test_a_confirmation_of_an_older_batch_is_not_for_this_bundle(uncommitted, sent):
    assert confirm(uncommitted, *numbers(sent, 0), seconds=-10_000) == 0


def test_places_that_never_were_are_ignored(uncommitted, sent):
    assert confirm(uncommitted, *numbers(sent, 700), member_id(sent.id + 1, 0)) == 0
    assert left() == (KEYS, [])


def test_rows_and_keys_of_bundles_are_confirmed_together(uncommitted, sent):
    row = put(1, seconds=-7_200)
    assert confirm(uncommitted, row.id, *numbers(sent, *range(6))) == 7
    assert left() == ([], [])


def test_a_bundle_that_is_given_back_is_whole_again(uncommitted, sent):
    outbox.give_back(uncommitted, [Member(number, sent) for number in numbers(sent, 1, 2)])
    (again,) = claim(uncommitted, 10)
    assert again.members == sent.members and again.attempts == 1


def test_a_key_that_is_set_aside_waits_in_a_row_of_its_own_with_its_error(uncommitted, sent):
    outbox.set_aside(uncommitted, [([Member(*numbers(sent, 4), sent)], "too large")])
    assert left() == (["k0", "k1", "k2", "k3", "k5"], ["k4"])
    row = Outbox.objects.get(kind="sync")
    assert (row.error, row.sent_at, row.size, row.keys) == ("too large", None, 1, None)
    assert row.captured_at < row.available_at and row.cqrs_id == "author" and row.queue == "shop"


def test_all_keys_of_a_bundle_that_are_set_aside_keep_an_error_of_their_own(uncommitted, sent):
    outbox.set_aside(uncommitted, [([Member(number, sent)], f"error {number}") for number in numbers(sent, *range(6))])
    assert left() == ([], KEYS)
    assert len(set(Outbox.objects.values_list("error", flat=True))) == 6


def test_a_late_confirmation_of_a_key_in_a_row_of_its_own_changes_nothing(uncommitted, sent):
    outbox.set_aside(uncommitted, [([Member(*numbers(sent, 4), sent)], "too large")])
    assert confirm(uncommitted, *numbers(sent, 4)) == 0
    assert left()[1] == ["k4"]


def test_what_was_reopened_since_the_claim_is_not_set_aside(uncommitted, sent):
    Outbox.objects.update(sent_at=None)
    outbox.set_aside(uncommitted, [([Member(*numbers(sent, 4), sent)], "too large")])
    assert left() == (KEYS, [])


def test_keys_that_need_no_message_are_dropped(uncommitted, sent):
    outbox.drop(uncommitted, [Member(number, sent) for number in numbers(sent, 0, 1)])
    assert left() == (KEYS[2:], [])
    outbox.drop(uncommitted, [Member(number, sent) for number in numbers(sent, *range(6))])
    assert left() == ([], [])


def test_a_bundle_can_be_taken_apart(uncommitted, sent):
    confirm(uncommitted, *numbers(sent, 0))
    assert bundles.take_out(Outbox.objects.all()) == 5
    assert left() == ([], KEYS[1:])


def test_keys_in_bundles_are_found(uncommitted):
    put_bundle()
    put_bundle(["z"])
    rows = Outbox.objects.all()
    assert bundles.keys_waiting(rows, ["k1", "z", "nobody"]) == {"k1", "z"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(confirmations=st.lists(st.sets(st.integers(0, 7), max_size=8), max_size=6))
def test_whatever_is_confirmed_in_whatever_order_the_others_stay(confirmations, uncommitted):
    Outbox.objects.all().delete()
    put_bundle()
    (claimed,) = claim(uncommitted, 10)
    counts = [confirm(uncommitted, *numbers(claimed, *places)) for places in confirmations]
    settled = {place for places in confirmations for place in places}
    expected = [key for place, key in enumerate(KEYS) if place not in settled]
    assert left() == (expected, []) and sum(counts) == len(KEYS) - len(expected)
    assert [row.size for row in Outbox.objects.all()] == ([len(expected)] if expected else [])
