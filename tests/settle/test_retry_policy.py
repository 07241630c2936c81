"""How often and when a failed message is tried again, by the package's policy and by a model's own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from celery_cqrs.mixins import RawReplicaMixin
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Dead, Retry
from tests.app.models import AuthorRef
from tests.receive.wire import author, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Choosy, Failing

pytestmark = pytest.mark.usefixtures("sqlite")


def failing(pk=1, **keys):
    return {**message("failing", pk, name="n"), **keys}


def choosy(pk=1):
    return message("choosy", pk, name="n")


def waits(kept):
    """Seconds between the failure and the next try."""
    return (kept.not_before - kept.updated_at).total_seconds()


def until_dead(limit=10):
    """Retry until the letter is dead; returns the number of tries in all."""
    for tries in range(1, limit):
        if Letter.objects.get().state == Letter.DEAD:
            return tries
        retry_now()
    return None


def test_the_delay_doubles_with_every_retry_and_is_capped(configure):
    configure(replica={"CQRS_RETRY_DELAY": 1, "retry_max_delay_seconds": 5})
    deliver(failing())
    delays = []
    for _ in range(5):
        delays.append(waits(Letter.objects.get()))
        retry_now()
    for delay, expected in zip(delays, [1, 2, 4, 5, 5], strict=True):
        assert 0.85 * expected <= delay <= 1.15 * expected


@pytest.mark.parametrize("current_retry", [0, 1, 10, 1_000, 2**31])
def test_the_delay_stays_within_the_cap_however_many_retries_there_were(current_retry):
    delay = RawReplicaMixin.get_cqrs_retry_delay(current_retry)
    assert 1.7 <= delay <= 300 * 1.1


def test_the_delay_is_not_the_same_for_all_that_failed_together():
    assert len({RawReplicaMixin.get_cqrs_retry_delay(3) for _ in range(20)}) > 1


@pytest.mark.parametrize("budget", [0, 1, 3])
def test_a_letter_is_dead_after_the_budget_of_retries(configure, budget):
    configure(replica={"CQRS_MAX_RETRIES": budget})
    deliver(failing())
    assert until_dead() == budget + 1
    kept = Letter.objects.get()
    assert (kept.attempts, kept.not_before) == (budget + 1, None)
    assert kept.reason == "RuntimeError: not today"


def test_without_a_budget_a_letter_is_retried_for_ever(configure):
    configure(replica={"CQRS_MAX_RETRIES": None})
    deliver(failing())
    Letter.objects.update(payload={**Letter.objects.get().payload, "retries": 100_000})
    retry_now()
    assert Letter.objects.get().state == Letter.RETRYING


def test_the_default_budget_is_thirty_retries():
    assert RawReplicaMixin.should_retry_cqrs(29)
    assert not RawReplicaMixin.should_retry_cqrs(30)


def test_a_dead_letter_is_not_tried_again(configure):
    configure(replica={"CQRS_MAX_RETRIES": 0})
    deliver(failing())
    Letter.objects.update(not_before=timezone.now())
    assert retry_now() == 0
    assert Failing.tries == 1


def test_a_newer_message_takes_even_a_dead_letter_away(configure):
    configure(replica={"CQRS_MAX_RETRIES": 0})
    deliver(failing())
    Failing.broken = False
    deliver(message("failing", 1, 1, name="n"))
    assert not Letter.objects.exists()


def test_a_model_decides_by_itself_how_often_it_is_tried():
    deliver(choosy())
    assert until_dead() == 3
    assert Choosy.asked == [(0, "RuntimeError"), (1, "RuntimeError"), (2, "RuntimeError")]


@pytest.mark.parametrize("delay", [0, 7, 0.5, 10_000])
def test_a_model_decides_by_itself_when_it_is_tried(delay):
    Choosy.delay = delay
    deliver(choosy())
    assert waits(Letter.objects.get()) == pytest.approx(delay, abs=0.5)


def test_a_model_without_retries_has_its_letter_at_once():
    Choosy.tries_left = 0
    (ending,) = deliver(choosy())
    assert ending == Dead("RuntimeError: not today")
    assert Letter.objects.get().attempts == 1


def test_a_policy_that_raises_harms_no_neighbour():
    Choosy.policy_error = ZeroDivisionError("a policy is broken")
    Failing.broken = True
    deliver(choosy(1), author(5), choosy(2))
    assert AuthorRef.objects.get().pk == 5
    assert Letter.objects.filter(cqrs_id="choosy").count() == 2
    assert len(confirmed()) == 3


@pytest.mark.parametrize("delay", [float("inf"), float("nan"), 1e30, -5, None, "soon"])
def test_a_policy_with_an_absurd_delay_harms_no_neighbour(delay):
    Choosy.delay = delay
    deliver(choosy(1), author(5))
    assert AuthorRef.objects.get().pk == 5
    assert Letter.objects.get().cqrs_id == "choosy"
    assert len(confirmed()) == 2


@pytest.mark.parametrize(
    "hopeless",
    [message("failing", 1), message("failing", 1, name=None), message("failing", "x", name="n")],
    ids=["a field is missing", "a field is null", "the key cannot be read"],
)
def test_what_can_never_work_is_dead_at_once(hopeless):
    (ending,) = deliver(hopeless)
    assert isinstance(ending, Dead)
    assert Failing.tries == 0


def test_a_constraint_is_tried_again_since_others_may_mend_it():
    deliver(author(1), author(2, rival=1))
    (ending,) = deliver(deletion("author", 1, 1))
    assert isinstance(ending, Retry)


def test_the_count_of_retries_on_the_wire_is_that_of_the_message():
    deliver(failing(retries=29))
    assert Letter.objects.get().attempts == 30
    retry_now()
    assert Letter.objects.get().state == Letter.DEAD
