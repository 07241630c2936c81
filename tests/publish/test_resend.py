"""Resending on the database: lost rows by evidence, otherwise one probe, each queue for itself."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Destination, Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.conftest import with_row_locks
from tests.harness.claims import claim
from tests.publish.conftest import let_pass, pending, sizes


def sent(count=1, *, seconds, queue="shop", attempts=1):
    """Rows that were sent so many seconds ago."""
    moment = timezone.now() - timedelta(seconds=seconds)
    facts = {"cqrs_id": "author", "signal_type": "SAVE", "captured_at": moment, "available_at": moment}
    rows = [Outbox(queue=queue, pk_text=str(pk), sent_at=moment, attempts=attempts, **facts) for pk in range(count)]
    Outbox.objects.bulk_create(rows)


def confirmed(*, stamp, seconds=0, queue="shop"):
    """The newest confirmed batch was stamped so long ago, and confirmed so many seconds ago."""
    now = timezone.now()
    Destination.objects.update_or_create(
        queue=queue,
        defaults={
            "confirmed_stamp": now - timedelta(seconds=stamp),
            "confirmed_at": now - timedelta(seconds=seconds),
        },
    )


@pytest.mark.parametrize(
    ("seconds", "attempts", "stamp", "again"),
    [
        (40, 1, 10, True),
        (20, 1, 5, False),
        (40, 1, 38, False),
        (40, 1, 90, False),
        (50, 2, 10, False),
        (70, 2, 10, True),
        (800, 9, 10, False),
        (1_000, 9, 10, True),
    ],
)
def test_a_row_is_sent_again_when_a_later_batch_was_confirmed(uncommitted, seconds, attempts, stamp, again):
    sent(seconds=seconds, attempts=attempts)
    confirmed(stamp=stamp)
    assert resend(uncommitted) == pending() == int(again)


def test_all_lost_rows_are_sent_again_at_once(uncommitted):
    sent(1_200, seconds=60)
    sent(3, seconds=4)
    confirmed(stamp=10)
    assert resend(uncommitted) == 1_200 == pending()


def test_without_evidence_one_batch_is_probed_the_oldest(uncommitted, configure):
    configure(master={"batch_size": 2})
    sent(3, seconds=50)
    sent(2, seconds=90)
    assert resend(uncommitted) == 2
    oldest = Outbox.objects.filter(sent_at=None).order_by("id").values_list("id", flat=True)
    assert list(oldest) == list(Outbox.objects.order_by("-id").values_list("id", flat=True)[:2])[::-1]


def test_a_young_row_is_not_probed(uncommitted):
    sent(seconds=20)
    assert resend(uncommitted) == 0 and pending() == 0


def test_probes_become_rarer_and_rarer(uncommitted):
    sent(seconds=30)
    probed_at = []
    for second in range(0, 1_000, 30):
        if resend(uncommitted):
            probed_at.append(second)
            claim(uncommitted, 10)
        let_pass(30)
    assert [later - earlier for earlier, later in pairwise(probed_at)] == [60, 120, 240, 480]


def test_lost_rows_are_sent_again_instead_of_a_probe(uncommitted):
    sent(2, seconds=500)
    sent(2, seconds=400)
    confirmed(stamp=450, seconds=440)
    assert resend(uncommitted) == 2
    assert Destination.objects.get().probed_at is None


def test_while_somebody_confirms_there_is_no_probe(uncommitted):
    sent(seconds=100)
    confirmed(stamp=200, seconds=5)
    assert resend(uncommitted) == 0


def test_the_evidence_of_one_queue_does_not_serve_another(uncommitted):
    sent(seconds=60, queue="shop")
    sent(seconds=60, queue="search")
    confirmed(stamp=1, queue="shop")
    confirmed(stamp=500, queue="search")
    assert resend(uncommitted) == 1
    assert Outbox.objects.get(sent_at=None).queue == "shop"


def test_each_queue_that_is_silent_is_probed(uncommitted, heard):
    for queue in ("shop", "search"):
        sent(seconds=60, queue=queue)
    assert resend(uncommitted) == 2
    assert sorted((told["queue"], told["count"], told["probe"]) for told in heard["resent"]) == [
        ("search", 1, True),
        ("shop", 1, True),
    ]


def test_what_is_lost_is_announced_as_no_probe(uncommitted, heard):
    sent(4, seconds=60)
    confirmed(stamp=1)
    resend(uncommitted)
    assert [(told["queue"], told["count"], told["probe"]) for told in heard["resent"]] == [("shop", 4, False)]


def test_pending_rows_are_not_sent_again(uncommitted):
    sent(seconds=60)
    Outbox.objects.update(sent_at=None)
    confirmed(stamp=1)
    assert resend(uncommitted) == 0


def test_a_quiet_outbox_is_left_in_peace(uncommitted, heard):
    assert resend(uncommitted) == 0 and heard["resent"] == [] and not Destination.objects.exists()


def test_the_patience_of_the_settings_is_used(uncommitted, configure):
    configure(master={"resend_after_seconds": 3, "resend_margin_seconds": 1, "resend_max_seconds": 10})
    sent(seconds=5)
    confirmed(stamp=2)
    assert resend(uncommitted) == 1


def test_a_resent_row_travels_with_its_present_state_and_a_higher_attempt(uncommitted):
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    MemoryTransport.clear()
    Author.objects.update(name="Bea")
    let_pass(60)
    resend(uncommitted)
    drain_all(uncommitted)
    (envelope,) = MemoryTransport.queues["replica"]
    assert envelope.payload["attempt"] == 2
    assert envelope.payload["messages"][0]["instance_data"]["name"] == "Bea"


def test_the_confirmation_of_a_probe_releases_the_rest(uncommitted, configure):
    configure(master={"batch_size": 5})
    Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(20)])
    drain_all(uncommitted)
    MemoryTransport.clear()
    let_pass(60)
    assert resend(uncommitted) == 5
    drain_all(uncommitted)
    testing.deliver()
    let_pass(10)
    assert resend(uncommitted) == 15
    drain_all(uncommitted)
    testing.deliver()
    assert AuthorRef.objects.count() == 20 and not Outbox.objects.exists()


def test_an_old_copy_that_arrives_after_the_probe_releases_nothing(uncommitted, configure):
    configure(master={"batch_size": 5})
    Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(20)])
    drain_all(uncommitted)
    let_pass(60)
    assert resend(uncommitted) == 5
    drain_all(uncommitted)
    testing.deliver_one(MemoryTransport.queues["replica"].popleft())
    testing.deliver()
    assert sizes() == []
    assert resend(uncommitted) == 0 and not Outbox.objects.exists()


@with_row_locks
def test_two_sweeps_at_once_send_again_once(database, elsewhere):
    sent(50, seconds=60)
    confirmed(stamp=1)
    sweeps = [elsewhere(resend, database) for _ in range(4)]
    assert sorted(sweep.result(timeout=60) for sweep in sweeps) == [0, 0, 0, 50]


@with_row_locks
def test_two_sweeps_at_once_probe_once(database, elsewhere, configure):
    configure(master={"batch_size": 5})
    sent(50, seconds=60)
    sweeps = [elsewhere(resend, database) for _ in range(4)]
    assert sorted(sweep.result(timeout=60) for sweep in sweeps) == [0, 0, 0, 5]
