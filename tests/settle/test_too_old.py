"""What is older than deletions are remembered is never applied: the master is asked for the present state instead."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs import tombstones
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Reason, Skipped
from celery_cqrs.replica import resync
from celery_cqrs.transport.base import REPAIR
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef, BeaconListener
from tests.receive.wire import MASTER, author, batch, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Failing

RETENTION = 1_000
TOO_OLD = Skipped(Reason.TOO_OLD)

pytestmark = pytest.mark.usefixtures("short_memory")


@pytest.fixture
def short_memory(configure):
    """Deletions are remembered for RETENTION seconds."""
    configure(tombstone_seconds=RETENTION)


def long_ago(seconds=RETENTION + 1):
    return (timezone.now() - timedelta(seconds=seconds)).isoformat()


def failing(pk=1, revision=3):
    return message("failing", pk, revision, name="n")


def old_letter(**payload):
    """The letter of a message that failed longer ago than deletions are remembered; it would be applied now."""
    deliver(failing())
    kept = Letter.objects.get()
    kept.payload = {**kept.payload, "sent_at": long_ago(), **payload}
    kept.save()
    Failing.broken = False
    return kept


def questions():
    """What was asked of masters: their queues and the payloads."""
    return [
        (queue, dict(envelope.payload))
        for queue, envelopes in MemoryTransport.queues.items()
        for envelope in envelopes
        if envelope.task == REPAIR
    ]


def test_an_old_letter_is_not_replayed_but_asks_the_master_it_came_from(database):
    old_letter()
    retry_now()
    assert not AuthorRef.objects.exists()
    key = {"cqrs_id": "failing", "instance_pk": 1, "revision": 3}
    assert questions() == [(MASTER, {"v": 1, "queue": "replica", "outbox": "default", "keys": [key]})]


def test_an_old_letter_that_asked_waits_for_its_answer_and_keeps_its_reason(database):
    old_letter()
    retry_now()
    kept = Letter.objects.get()
    assert (kept.state, kept.attempts, kept.reason) == (Letter.ASKED, 1, "RuntimeError: not today")
    assert kept.not_before > timezone.now() + timedelta(minutes=50)
    assert retry_now() == 0  # only what is retrying is hurried by this helper: nothing is asked within the hour
    assert len(questions()) == 1


def test_the_answer_of_the_master_takes_the_letter_away(database):
    old_letter()
    retry_now()
    deliver({**failing(1, 3), "signal_type": "SYNC"}, queue="replica")
    assert AuthorRef.objects.get().cqrs_revision == 3
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_an_answer_that_fails_waits_as_a_letter_of_its_own_age():
    old_letter()
    retry_now()
    Failing.broken = True
    deliver({**failing(1, 3), "signal_type": "SYNC"}, queue="replica")
    kept = Letter.objects.get()
    assert (kept.state, kept.signal_type, kept.attempts) == (Letter.RETRYING, "SYNC", 1)
    Failing.broken = False
    retry_now()
    assert AuthorRef.objects.get().cqrs_revision == 3


@pytest.mark.usefixtures("sqlite")
def test_a_late_copy_of_the_message_itself_takes_the_place_of_the_letter_that_asked():
    old_letter()
    retry_now()
    Failing.broken = True
    deliver(failing())
    assert (Letter.objects.get().state, Letter.objects.get().attempts) == (Letter.RETRYING, 1)


@pytest.mark.usefixtures("sqlite")
def test_without_an_answer_the_question_is_asked_again_each_hour_and_ends_as_a_dead_letter():
    old_letter()
    retry_now()
    for asked in range(2, resync.QUESTIONS + 1):
        Letter.objects.update(state=Letter.ASKED, not_before=timezone.now())
        retry_now()
        assert Letter.objects.get().attempts == asked == len(questions())
    Letter.objects.update(not_before=timezone.now())
    retry_now()
    kept = Letter.objects.get()
    assert kept.state == Letter.DEAD
    assert "in vain" in kept.reason
    assert kept.reason.endswith("RuntimeError: not today")
    assert len(questions()) == resync.QUESTIONS


@pytest.mark.usefixtures("sqlite")
def test_a_question_that_cannot_be_sent_is_asked_again_when_the_lease_ends(caplog):
    old_letter()
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    retry_now()
    kept = Letter.objects.get()
    assert kept.state == Letter.RETRYING
    assert kept.not_before < timezone.now() + timedelta(minutes=2)
    assert any(record.getMessage().startswith("did not ask atlas") for record in caplog.records)


@pytest.mark.usefixtures("sqlite")
def test_an_old_letter_that_the_row_has_overtaken_is_done_with_and_asks_nobody():
    old_letter()
    deliver(author(1, 4))
    retry_now()
    assert not Letter.objects.exists()
    assert questions() == []


@pytest.mark.usefixtures("sqlite")
def test_an_old_save_never_resurrects_a_row_whose_tombstone_is_forgotten(configure):
    kept = old_letter()
    deliver(deletion("failing", 1, 4))
    kept.save(force_insert=True)
    configure(tombstone_seconds=0)
    tombstones.prune("default")
    configure(tombstone_seconds=RETENTION)
    retry_now()
    assert not AuthorRef.objects.exists()
    assert len(questions()) == 1


@pytest.mark.usefixtures("sqlite")
def test_letters_of_one_batch_are_asked_for_in_one_question_per_master_database():
    deliver(failing(1), failing(2))
    deliver(failing(3), outbox="archive")
    for kept in Letter.objects.all():
        kept.payload = {**kept.payload, "sent_at": long_ago()}
        kept.save()
    retry_now()
    asked = {payload["outbox"]: [key["instance_pk"] for key in payload["keys"]] for _, payload in questions()}
    assert asked == {"default": [1, 2], "archive": [3]}
    assert len(questions()) == 2


@pytest.mark.usefixtures("sqlite")
def test_an_old_letter_that_names_no_master_dies_with_a_sentence_that_says_what_to_do():
    old_letter(reply_to=None)
    retry_now()
    kept = Letter.objects.get()
    assert kept.state == Letter.DEAD
    assert "cqrs_sync()" in kept.reason
    assert questions() == []


@pytest.mark.usefixtures("sqlite")
def test_an_old_letter_that_names_no_database_asks_for_the_default_one():
    old_letter(outbox=None)
    retry_now()
    assert [payload["outbox"] for _, payload in questions()] == ["default"]


@pytest.mark.usefixtures("sqlite")
def test_a_letter_that_does_not_say_when_it_was_sent_is_as_old_as_its_row():
    old_letter(sent_at=None)
    Letter.objects.update(created_at=timezone.now() - timedelta(seconds=RETENTION + 1))
    retry_now()
    assert Letter.objects.get().state == Letter.ASKED


@pytest.mark.usefixtures("sqlite")
def test_a_question_shows_no_keys():
    old_letter()
    retry_now()
    (envelope,) = (one for one in MemoryTransport.queues[MASTER] if one.task == REPAIR)
    assert envelope.summary == "failing ×1"


def test_what_comes_too_late_from_the_broker_asks_too_and_is_not_confirmed(database):
    payload = batch(author(1, 3), author(2, 4), sent_at=long_ago())
    assert deliver(**{**payload, "messages": payload["messages"]}) == [TOO_OLD, TOO_OLD]
    assert not AuthorRef.objects.exists()
    assert not Letter.objects.exists()
    assert confirmed() == []
    ((queue, asked),) = questions()
    assert queue == MASTER
    assert [(key["instance_pk"], key["revision"]) for key in asked["keys"]] == [(1, 3), (2, 4)]


@pytest.mark.usefixtures("sqlite")
def test_what_comes_too_late_and_is_stale_anyway_is_confirmed_and_asks_nobody():
    deliver(author(1, 5))
    assert deliver(author(1, 3), sent_at=long_ago()) == [Skipped(Reason.WRONG_ORDER)]
    assert {105, 103} <= set(confirmed())
    assert questions() == []


@pytest.mark.usefixtures("sqlite")
def test_what_comes_too_late_for_hooks_without_a_table_asks_too():
    assert deliver(message("beacon", 1, text="light"), sent_at=long_ago()) == [TOO_OLD]
    assert BeaconListener.heard == []
    assert len(questions()) == 1


@pytest.mark.usefixtures("sqlite")
def test_what_has_only_expired_asks_nobody():
    assert deliver({**author(1), "expires": long_ago(1)}) == [Skipped(Reason.EXPIRED)]
    assert questions() == []
