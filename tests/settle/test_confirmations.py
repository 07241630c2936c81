"""What is settled is confirmed: gathered for a moment, merged, sent to its master, and kept when the broker is away."""

from __future__ import annotations

import pytest

from celery_cqrs.exceptions import BrokerUnavailable, QueueMissing
from celery_cqrs.replica import confirm
from celery_cqrs.transport.base import CONFIRM
from celery_cqrs.transport.memory import MemoryTransport
from tests.receive.wire import MASTER, author, confirmations, confirmed, deletion, deliver, message
from tests.settle.transports import PATH, PatientTransport

FIRST, SECOND = "2026-11-01T00:00:00+00:00", "2026-11-01T00:00:01+00:00"


@pytest.fixture(autouse=True)
def remembers_long(configure, sqlite):
    """The stamps of these tests may be old."""
    configure(tombstone_seconds=10**9)


@pytest.fixture
def gathering(configure):
    """Confirmations are gathered until ``flush`` is called; the thread that would call it waits for an hour."""
    configure(transport=PATH, replica={"confirm_seconds": 3_600})
    yield
    confirm.finish()
    confirm.flush()


def sent(queue=MASTER):
    return [envelope for envelope in MemoryTransport.queues[queue] if envelope.task == CONFIRM]


@pytest.mark.parametrize(
    ("wire", "is_confirmed"),
    [
        (author(1), True),
        (author(9, 0), True),
        (author(2, rival=999), True),
        (message("author", 2), True),
        (message("unicorn", 2), True),
        (deletion("author", 2, 2), True),
        ({**author(2), "expires": "2020-01-01T00:00:00Z"}, False),
    ],
    ids=["applied", "duplicate", "retrying", "dead", "unknown id", "deleted", "expired"],
)
def test_every_ending_but_expired_is_confirmed(wire, is_confirmed):
    deliver(author(9))
    MemoryTransport.clear()
    deliver(wire)
    assert confirmed() == (wire["outbox_ids"] if is_confirmed else [])


def test_a_confirmation_echoes_alias_and_stamp_and_names_this_queue():
    deliver(author(1), sent_at=FIRST, outbox="archive")
    (envelope,) = sent()
    assert envelope.payload["queue"] == "replica"
    assert confirmations() == [{"outbox": "archive", "sent_at": FIRST, "outbox_ids": [100]}]


def test_a_message_that_settles_many_rows_confirms_them_all():
    deliver({**author(1), "outbox_ids": [3, 5, 8]})
    assert confirmed() == [3, 5, 8]


def test_a_message_without_rows_needs_no_confirmation():
    deliver({**author(1), "outbox_ids": []})
    assert sent() == []


def test_a_confirmation_shows_how_many_and_not_which():
    deliver(author(1), author(2))
    assert [envelope.summary for envelope in sent()] == ["2 changes"]


def test_confirmations_are_gathered_and_sent_as_one_task(gathering):
    for pk in (1, 2, 3):
        deliver(author(pk), sent_at=FIRST)
    assert sent() == []
    confirm.flush()
    assert len(sent()) == 1
    assert confirmations() == [{"outbox": "default", "sent_at": FIRST, "outbox_ids": [100, 200, 300]}]


def test_rows_of_different_stamps_and_databases_keep_their_own_receipts(gathering):
    deliver(author(1), sent_at=FIRST)
    deliver(author(2), sent_at=SECOND)
    deliver(author(3), sent_at=FIRST, outbox="archive")
    deliver(author(4), sent_at=FIRST)
    confirm.flush()
    assert [(one["outbox"], one["sent_at"], one["outbox_ids"]) for one in confirmations()] == [
        ("default", FIRST, [100, 400]),
        ("default", SECOND, [200]),
        ("archive", FIRST, [300]),
    ]


def test_each_master_gets_its_own_confirmations(gathering):
    deliver(author(1))
    deliver(author(2), reply_to="another")
    confirm.flush()
    assert confirmed() == [100]
    assert sent("another")[0].payload["batches"][0]["outbox_ids"] == [200]


def test_nothing_is_sent_twice(gathering):
    deliver(author(1))
    confirm.flush()
    confirm.flush()
    assert len(sent()) == 1


def test_confirmations_are_sent_by_themselves_after_a_moment(gathering, configure):
    configure(replica={"confirm_seconds": 0.01})
    PatientTransport.sent.clear()
    deliver(author(1))
    assert PatientTransport.sent.wait(20)
    assert confirmed() == [100]


def test_what_is_gathered_is_sent_before_the_process_ends(gathering):
    deliver(author(1))
    confirm.finish()
    assert confirmed() == [100]


def test_confirmations_are_put_back_while_the_broker_is_away(gathering):
    deliver(author(1), sent_at=FIRST)
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    assert confirm.flush() > 0
    deliver(author(2), sent_at=FIRST)
    assert confirm.flush() > 0
    MemoryTransport.fail_with = None
    assert confirm.flush() is None
    assert confirmations() == [{"outbox": "default", "sent_at": FIRST, "outbox_ids": [100, 200]}]


def test_confirmations_are_put_back_while_the_master_has_no_queue():
    MemoryTransport.fail_with = QueueMissing(queue=MASTER)
    deliver(author(1))
    assert confirmed() == []
    MemoryTransport.fail_with = None
    deliver(author(2))
    assert confirmed() == [100, 200]


def test_a_batch_is_applied_though_its_confirmation_cannot_be_sent():
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    assert [type(ending).__name__ for ending in deliver(author(1))] == ["Applied"]


def test_many_confirmations_do_not_wait(gathering):
    PatientTransport.sent.clear()
    deliver({**author(1), "outbox_ids": list(range(confirm.ROWS_AT_ONCE))})
    assert PatientTransport.sent.wait(20)
    assert len(confirmed()) == confirm.ROWS_AT_ONCE
