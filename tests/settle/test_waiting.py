"""A child without its parent waits as a letter: for a time, spending no attempts; then it is dead and says for what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from celery_cqrs import signals, testing
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Waiting
from celery_cqrs.status import read_status
from celery_cqrs.tasks import retry_letters
from celery_cqrs.transport.base import RETRY
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef
from tests.receive.wire import author, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Choosy

REASON = "author '77' is not here (field rival)"


def orphan(pk=1, revision=0, **data):
    return author(pk, revision, rival=77, **data)


def the_letter(pk=1):
    return Letter.objects.get(pk_text=str(pk))


def pass_time(seconds=601):
    """As if the letters had been written so long ago."""
    for one in Letter.objects.exclude(waits_until=None):
        earlier = timedelta(seconds=seconds)
        Letter.objects.filter(pk=one.pk).update(
            waits_until=one.waits_until - earlier, not_before=one.not_before - earlier
        )


# ── it waits ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_child_without_its_parent_waits_as_a_letter_and_is_confirmed(database):
    before = timezone.now()
    (ending,) = deliver(orphan())
    after = timezone.now()
    kept = the_letter()
    assert isinstance(ending, Waiting)
    assert (kept.state, kept.attempts, kept.payload["retries"], kept.reason) == (Letter.WAITING, 0, 0, REASON)
    assert (kept.parent, kept.parent_key) == ("app.authorref.id", "77")
    assert before <= kept.waits_until - timedelta(seconds=600) <= after
    assert kept.not_before == kept.waits_until
    assert confirmed() == [100]


def test_its_time_is_a_setting(database, configure):
    configure(replica={"parent_wait_seconds": 86_400})
    deliver(orphan())
    assert the_letter().waits_until > timezone.now() + timedelta(hours=23)


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("seconds", [10**12, float("inf")])
def test_a_time_that_is_too_long_for_any_calendar_harms_nobody(configure, seconds):
    configure(replica={"parent_wait_seconds": seconds})
    deliver(orphan(), author(2))
    assert the_letter().state == Letter.WAITING
    assert AuthorRef.objects.get().pk == 2


@pytest.mark.usefixtures("sqlite")
def test_without_any_time_it_is_dead_at_once(configure):
    configure(replica={"parent_wait_seconds": 0})
    (ending,) = deliver(orphan())
    assert isinstance(ending, Dead)
    assert the_letter().state == Letter.DEAD


@pytest.mark.usefixtures("sqlite")
def test_nobody_asks_the_model_whether_to_retry_and_no_wake_up_is_sent():
    deliver(message("choosy", 1, name="n"))
    asked = len(Choosy.asked)
    MemoryTransport.clear()
    deliver(orphan())
    assert len(Choosy.asked) == asked == 1
    assert not [one for one in MemoryTransport.queues["replica"] if one.task == RETRY]


def test_beat_leaves_it_alone_while_its_time_lasts(database):
    deliver(orphan())
    for _ in range(3):
        retry_letters()
    assert (the_letter().state, the_letter().attempts) == (Letter.WAITING, 0)


@pytest.mark.usefixtures("sqlite")
def test_a_duplicate_changes_nothing():
    deliver(orphan())
    pass_time(300)
    before = the_letter()
    deliver(orphan())
    now = the_letter()
    assert (now.waits_until, now.state, now.attempts) == (before.waits_until, Letter.WAITING, 0)


@pytest.mark.usefixtures("sqlite")
def test_a_newer_message_for_the_same_parent_takes_its_place_and_has_no_more_time():
    deliver(orphan(1, 0))
    pass_time(300)
    until = the_letter().waits_until
    deliver(orphan(1, 1))
    assert (the_letter().revision, the_letter().waits_until) == (1, until)


@pytest.mark.usefixtures("sqlite")
def test_a_newer_message_for_another_parent_has_a_time_of_its_own():
    deliver(orphan(1, 0))
    pass_time(300)
    until = the_letter().waits_until
    deliver(author(1, 1, rival=88))
    assert the_letter().reason == "author '88' is not here (field rival)"
    assert the_letter().waits_until > until


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("newer", [author(1, 4), deletion("author", 1, 4)], ids=["save", "delete"])
def test_a_newer_message_that_is_applied_takes_it_away(newer):
    deliver(orphan(1, 3))
    assert deliver(newer) == [Applied()]
    assert not Letter.objects.exists()


# ── it dies ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_after_its_time_it_is_dead_and_names_its_parent(database):
    deliver(orphan(name="secret"))
    pass_time()
    retry_letters()
    kept = the_letter()
    assert kept.state == Letter.DEAD
    assert kept.reason.startswith(f"{REASON}, and was waited for in vain. Have that row sent")
    assert "secret" not in kept.reason
    assert AuthorRef.objects.count() == 0


def test_its_last_try_finds_a_parent_that_came_by_any_way(database):
    deliver(orphan())
    pass_time()
    AuthorRef.objects.create(id=77, name="by hand", cqrs_revision=0, cqrs_updated=timezone.now())
    retry_letters()
    assert AuthorRef.objects.get(pk=1).rival_id == 77
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_its_time_counts_from_the_first_failure_whatever_it_misses_next():
    deliver(orphan())
    until = the_letter().waits_until
    retry_now()
    assert the_letter().waits_until == until


@pytest.mark.usefixtures("sqlite")
def test_a_duplicate_of_one_that_is_dead_leaves_it_dead_and_a_newer_message_waits_anew():
    deliver(orphan(1, 0))
    pass_time()
    retry_letters()
    deliver(orphan(1, 0))
    assert the_letter().state == Letter.DEAD
    deliver(orphan(1, 1))
    assert the_letter().state == Letter.WAITING
    assert the_letter().waits_until > timezone.now() + timedelta(seconds=300)


@pytest.mark.usefixtures("sqlite")
def test_attempts_that_were_spent_before_are_kept_and_none_is_added():
    deliver({**orphan(), "retries": 7})
    assert the_letter().attempts == 7
    retry_now()
    assert (the_letter().attempts, the_letter().state) == (7, Letter.WAITING)


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_person_may_have_a_waiting_or_a_dead_one_tried_and_it_waits_anew(database, capsys):
    deliver(orphan())
    pass_time(300)
    call_command("cqrs_dead_letters", "retry", "--state", "waiting")
    testing.deliver("replica")
    assert the_letter().waits_until > timezone.now() + timedelta(seconds=500)
    pass_time()
    retry_letters()
    call_command("cqrs_dead_letters", "retry", "--reason", REASON)
    testing.deliver("replica")
    assert (the_letter().state, the_letter().attempts) == (Letter.WAITING, 0)


@pytest.mark.usefixtures("sqlite")
def test_a_person_sees_and_purges_the_waiting_ones(capsys):
    deliver(orphan())
    assert read_status().letters == {"retrying": 0, "waiting": 1, "dead": 0, "asked": 0}
    call_command("cqrs_dead_letters", "dump", "--state", "waiting")
    assert REASON in capsys.readouterr().out
    call_command("cqrs_dead_letters", "purge", "--state", "waiting", "--yes")
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_waiting_and_being_released_are_announced():
    told = []

    def hear(signal, **facts):
        told.append({name: facts[name] for name in facts.keys() & {"reason", "count"}})

    signals.waiting.connect(hear)
    signals.released.connect(hear)
    try:
        deliver(orphan(1), orphan(2))
        deliver(author(77))
    finally:
        signals.waiting.disconnect(hear)
        signals.released.disconnect(hear)
    assert told == [{"reason": REASON}, {"reason": REASON}, {"count": 2}]
