"""What was claimed and not sent: given back, set aside, or dropped."""

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs.master import outbox
from celery_cqrs.models import Outbox
from tests.conftest import on_sqlite
from tests.harness.claims import claim
from tests.outbox.conftest import pending, put

pytestmark = on_sqlite


def seconds_until_available(row):
    return (Outbox.objects.get(id=row.id).available_at - timezone.now()).total_seconds()


def test_a_row_given_back_is_as_if_it_had_not_been_claimed(uncommitted):
    row = put()
    before = Outbox.objects.values().get()
    outbox.give_back(uncommitted, claim(uncommitted, 10))
    assert Outbox.objects.values().get() == before and pending() == [row.id]


def test_a_row_given_back_can_be_claimed_at_once(uncommitted):
    put()
    outbox.give_back(uncommitted, claim(uncommitted, 10))
    assert len(claim(uncommitted, 10)) == 1


def test_only_the_named_rows_are_given_back(uncommitted):
    put(1)
    put(2)
    first, _ = claim(uncommitted, 10)
    outbox.give_back(uncommitted, [first])
    assert pending() == [first.id]


def test_a_late_giving_back_does_not_touch_what_somebody_else_has_claimed_since(uncommitted):
    put()
    slow = claim(uncommitted, 10)
    Outbox.objects.update(sent_at=None)
    (newer,) = claim(uncommitted, 10)
    outbox.give_back(uncommitted, slow)
    assert Outbox.objects.get().sent_at == newer.sent_at and pending() == []


def test_a_late_giving_back_does_not_bring_back_a_confirmed_row(uncommitted):
    put()
    slow = claim(uncommitted, 10)
    outbox.confirm(uncommitted, "shop", [slow[0].id], outbox.stamp_of(slow))
    outbox.give_back(uncommitted, slow)
    assert not Outbox.objects.exists()


def test_a_row_set_aside_waits_with_its_error(uncommitted):
    row = put()
    outbox.set_aside(uncommitted, [(claim(uncommitted, 10), "too strange to be sent")])
    assert pending() == [row.id] and claim(uncommitted, 10) == []
    assert Outbox.objects.get().error == "too strange to be sent"


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 10), (1, 20), (2, 40), (5, 320), (7, 900), (60, 900)])
def test_the_wait_of_a_row_set_aside_doubles_up_to_the_cap(uncommitted, attempts, seconds):
    row = put(attempts=attempts)
    outbox.set_aside(uncommitted, [(claim(uncommitted, 10), "again")])
    assert seconds_until_available(row) == pytest.approx(seconds, abs=5)


def test_rows_of_one_message_are_set_aside_by_their_most_tried_one(uncommitted):
    rows = [put(1, attempts=3), put(1)]
    outbox.set_aside(uncommitted, [(claim(uncommitted, 10), "again")])
    assert [seconds_until_available(row) for row in rows] == pytest.approx([80, 80], abs=5)


def test_a_row_set_aside_is_claimed_again_when_its_time_has_come(uncommitted):
    put()
    outbox.set_aside(uncommitted, [(claim(uncommitted, 10), "again")])
    Outbox.objects.update(available_at=timezone.now() - timedelta(seconds=1))
    assert [row.attempts for row in claim(uncommitted, 10)] == [2]


def test_a_late_setting_aside_does_not_touch_what_somebody_else_has_claimed_since(uncommitted):
    put()
    slow = claim(uncommitted, 10)
    Outbox.objects.update(sent_at=None)
    claim(uncommitted, 10)
    outbox.set_aside(uncommitted, [(slow, "again")])
    assert pending() == [] and Outbox.objects.get().error == ""


def test_dropped_rows_are_gone_and_others_stay(uncommitted):
    rows = [put(pk) for pk in range(3)]
    outbox.drop(uncommitted, rows[:2])
    assert pending() == [rows[2].id]


def test_giving_back_setting_aside_and_dropping_nothing_is_allowed(uncommitted):
    put()
    outbox.give_back(uncommitted, [])
    outbox.drop(uncommitted, [])
    assert len(pending()) == 1
