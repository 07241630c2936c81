"""Messages that are too old are skipped and not confirmed, so that the master sends the present state again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.outcome import Applied, Dead, Reason, Skipped
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, BeaconListener
from tests.receive.wire import author, confirmed, deletion, deliver, message

pytestmark = pytest.mark.usefixtures("sqlite")
EXPIRED = Skipped(Reason.EXPIRED)


def in_seconds(seconds):
    return (timezone.now() + timedelta(seconds=seconds)).isoformat()


def expired(wire, seconds=-1):
    return {**wire, "expires": in_seconds(seconds)}


@pytest.mark.parametrize("signal_type", ["SAVE", "SYNC", "DELETE"])
def test_an_expired_message_is_skipped_and_not_confirmed(signal_type):
    deliver(author(1, 0))
    assert deliver({**expired(author(1, 3)), "signal_type": signal_type}) == [EXPIRED]
    assert AuthorRef.objects.get().cqrs_revision == 0
    assert not Letter.objects.exists()
    assert not Tombstone.objects.exists()
    assert confirmed() == [100]


def test_an_expired_message_harms_no_neighbour():
    assert deliver(author(1), expired(author(2)), author(3)) == [Applied(), EXPIRED, Applied()]
    assert confirmed() == [100, 300]


def test_a_message_that_has_not_expired_yet_is_applied():
    assert deliver(expired(author(1), 60)) == [Applied()]


def test_a_message_without_an_expiry_never_expires():
    assert deliver({**author(1), "expires": None}) == [Applied()]


def test_stale_is_judged_before_expired_and_therefore_confirmed():
    deliver(author(1, 3), deletion("author", 2, 3))
    endings = deliver(expired(author(1, 3)), expired(author(1, 2)), expired(author(2, 3)))
    assert endings == [Skipped(Reason.DUPLICATE), Skipped(Reason.WRONG_ORDER), Skipped(Reason.DELETED)]
    assert {103, 102, 203} <= set(confirmed())


def test_an_expired_message_leaves_the_letter_of_its_key_alone():
    deliver(author(1, 3, rival=999))
    assert deliver(expired(author(1, 4))) == [EXPIRED]
    assert Letter.objects.get().revision == 3


def test_an_expired_message_for_hooks_without_a_table_is_skipped_too():
    assert deliver(expired(message("beacon", 1, text="light"))) == [EXPIRED]
    assert BeaconListener.heard == []
    assert confirmed() == []


def test_an_expired_message_of_an_unknown_id_is_a_dead_letter_all_the_same():
    (ending,) = deliver(expired(message("unicorn", 1)))
    assert isinstance(ending, Dead)


def test_a_message_that_was_sent_longer_ago_than_deletions_are_remembered_is_skipped(configure):
    configure(tombstone_seconds=1_000)
    assert deliver(author(1), sent_at=in_seconds(-1_001)) == [Skipped(Reason.TOO_OLD)]
    assert deliver(author(2), sent_at=in_seconds(-900)) == [Applied()]


def test_the_time_to_live_counts_from_the_sending(configure):
    configure(master={"CQRS_MESSAGE_TTL": 3_600})
    Author.objects.create(name="Ann")
    payload = MemoryTransport.queues["replica"][0].payload
    moments = [
        timezone.datetime.fromisoformat(text) for text in (payload["sent_at"], payload["messages"][0]["expires"])
    ]
    assert moments[1] - moments[0] == timedelta(seconds=3_600)


def test_without_a_time_to_live_messages_carry_no_expiry(configure):
    configure(master={"CQRS_MESSAGE_TTL": None})
    Author.objects.create(name="Ann")
    assert testing.sent_messages("replica")[0]["expires"] is None


def test_what_expired_on_its_way_stays_in_the_outbox_of_the_master(configure):
    configure(master={"CQRS_MESSAGE_TTL": 0})
    Author.objects.create(name="Ann")
    testing.deliver()
    assert not AuthorRef.objects.exists()
    assert Outbox.objects.count() == 1
