"""A failure sends one wake-up to this service's own queue, for the time of the first retry; losing it costs time."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.models import Letter
from celery_cqrs.replica import letters
from celery_cqrs.tasks import retry_letters
from celery_cqrs.transport.base import RETRY
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef
from tests.apply.race import Worker, third_connection
from tests.receive.wire import author, confirmed, deliver, message
from tests.settle.replicas import Choosy, Failing


def choosy(pk):
    return message("choosy", pk, name="n")


def failing(pk):
    return message("failing", pk, name="n")


def wake_ups():
    """The countdowns of the wake-ups that were sent, by queue."""
    return [
        (queue, envelope.countdown_seconds)
        for queue, envelopes in MemoryTransport.queues.items()
        for envelope in envelopes
        if envelope.task == RETRY
    ]


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("delay", [0, 3, 20])
def test_a_retry_that_is_near_is_woken_by_a_countdown_to_the_own_queue(delay):
    Choosy.delay = delay
    deliver(choosy(1))
    assert wake_ups() == [("replica", delay)]


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("delay", [20.5, 300])
def test_a_retry_that_is_far_is_left_to_beat(delay):
    Choosy.delay = delay
    deliver(choosy(1))
    assert wake_ups() == []


@pytest.mark.usefixtures("sqlite")
def test_the_failures_of_one_batch_send_one_wake_up_for_the_first_of_them():
    deliver(failing(1), failing(2), choosy(3))
    ((queue, countdown),) = wake_ups()
    assert queue == "replica"
    assert countdown < 3


@pytest.mark.usefixtures("sqlite")
def test_what_ends_well_or_dead_sends_no_wake_up():
    deliver(author(1), author(1), message("author", 2), message("unicorn", 1))
    assert wake_ups() == []


@pytest.mark.usefixtures("sqlite")
def test_a_wake_up_shows_no_data_and_carries_none():
    deliver(failing(1))
    (envelope,) = (one for one in MemoryTransport.queues["replica"] if one.task == RETRY)
    assert (dict(envelope.payload), envelope.summary) == ({"v": 1}, "letters")


@pytest.mark.usefixtures("sqlite")
def test_a_retry_that_fails_again_sends_the_next_wake_up():
    deliver(failing(1))
    MemoryTransport.clear()
    Letter.objects.update(not_before=timezone.now())
    retry_letters()
    assert len(wake_ups()) == 1


@pytest.mark.usefixtures("sqlite")
def test_a_wake_up_that_comes_finds_its_letter():
    Choosy.delay = 0
    deliver(choosy(1))
    Failing.broken = False
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 1
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_a_wake_up_that_comes_too_early_or_twice_harms_nothing():
    deliver(failing(1))
    Letter.objects.update(not_before=timezone.now() + timedelta(hours=1))
    Failing.broken = False
    for _ in range(3):
        retry_letters()
    assert Letter.objects.get().attempts == 1


@pytest.mark.usefixtures("sqlite")
def test_a_lost_wake_up_loses_nothing():
    deliver(failing(1))
    MemoryTransport.clear()
    Failing.broken = False
    Letter.objects.update(not_before=timezone.now())
    retry_letters()
    assert AuthorRef.objects.count() == 1


@pytest.mark.usefixtures("sqlite")
def test_a_broker_that_is_away_keeps_neither_the_letter_nor_the_neighbours_from_being_written():
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    deliver(failing(1), author(2))
    assert Letter.objects.get().state == Letter.RETRYING
    assert AuthorRef.objects.get().pk == 2
    assert confirmed() == []


@pytest.mark.usefixtures("sqlite")
def test_a_wake_up_that_cannot_be_sent_is_announced_under_its_own_name(caplog):
    deliver(failing(1))
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    Letter.objects.update(not_before=timezone.now())
    retry_letters()
    (line,) = [record.getMessage() for record in caplog.records if "gone" in record.getMessage()]
    assert line.startswith("no wake-up for letters, beat tries them")


@pytest.mark.usefixtures("sqlite")
def test_claimed_letters_are_leased_so_that_a_dead_worker_does_not_keep_them():
    deliver(failing(1))
    now = timezone.now() + timedelta(seconds=60)
    (claimed,) = letters.claim_due("default", now, 10)
    assert letters.claim_due("default", now, 10) == []
    later = now + timedelta(seconds=letters.LEASE_SECONDS)
    assert [one.pk for one in letters.claim_due("default", later, 10)] == [claimed.pk]


def test_a_letter_that_another_worker_holds_is_passed_over(server):
    deliver(failing(1), failing(2))
    Letter.objects.update(not_before=timezone.now())
    with third_connection(server) as third, third.cursor() as cursor:
        cursor.execute("SELECT id FROM celery_cqrs_letter WHERE pk = '1' FOR UPDATE")
        claimed = letters.claim_due(server, timezone.now(), 10)
    assert [one.pk_text for one in claimed] == ["2"]


def test_two_workers_that_are_woken_at_once_try_each_letter_once(database, configure):
    configure(replica={"CQRS_RETRY_DELAY": 300})
    deliver(*(failing(pk) for pk in range(1, 21)))
    Letter.objects.update(not_before=timezone.now())
    start = threading.Barrier(2)

    def woken():
        start.wait()
        retry_letters()

    for worker in [Worker(woken), Worker(woken)]:
        worker.finish()
    assert set(Letter.objects.values_list("attempts", flat=True)) == {2}
    assert Failing.tries == 40
