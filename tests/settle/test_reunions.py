"""Parents and children that come at the same moment, on two connections: none waits for what is there.

Nothing here needs beat: all that is waited for is found by who applies it, or by who has missed it by a moment.
"""

from __future__ import annotations

import random

import pytest

from celery_cqrs import testing
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Reason, Skipped
from celery_cqrs.replica import waiting
from tests.app.families import LandRef, TownRef
from tests.app.models import AuthorRef
from tests.apply.conftest import level
from tests.apply.race import Worker, execute, receiving, third_connection, until_waiting
from tests.apply.test_missing_parents import land, town
from tests.receive.wire import author, deliver, retry_now

__all__ = ["level"]

WORKERS = 4


def letter_is_held(third, pk):
    execute(third, f"SELECT id FROM celery_cqrs_letter WHERE pk = '{pk}' FOR UPDATE")


def test_a_parent_that_is_committed_between_a_childs_failure_and_its_letter_is_not_missed(server, level):
    deliver(author(1, 0, rival=77))
    with third_connection(server) as third:
        letter_is_held(third, 1)
        child = receiving(author(1, 1, rival=88))
        until_waiting(server, 1, child)
        assert child.is_alive()
        parent = receiving(author(88))
        until_waiting(server, 2, parent)
    child.finish()
    parent.finish()
    testing.deliver("replica")
    assert AuthorRef.objects.get(pk=1).rival_id == 88
    assert not Letter.objects.exists()


def test_a_parent_whose_worker_is_still_at_it_when_the_child_fails_is_not_missed(server, level):
    deliver(author(600))
    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 600 FOR UPDATE")
        parent = receiving(author(88), author(700, rival=600))
        until_waiting(server, 1, parent)
        child = receiving(author(1, rival=88))
        until_waiting(server, 2, child)
    child.finish()
    parent.finish()
    testing.deliver("replica")
    assert AuthorRef.objects.get(pk=1).rival_id == 88
    assert not Letter.objects.exists()


def test_two_halves_of_a_circle_at_the_same_moment_are_not_left_waiting(server, level):
    deliver(author(1, 0, rival=77))
    with third_connection(server) as third:
        letter_is_held(third, 1)
        one = receiving(author(1, 1, rival=2))
        until_waiting(server, 1, one)
        other = receiving(author(2, rival=1))
        until_waiting(server, 2, other)
    one.finish()
    other.finish()
    testing.deliver("replica")
    retry_now()  # MariaDB may have made one of them a victim, which is an ordinary try
    assert set(AuthorRef.objects.values_list("pk", "rival_id")) == {(1, 2), (2, 1)}
    assert not Letter.objects.exists()


def test_a_duplicate_releases_what_a_worker_that_died_after_its_commit_did_not(database):
    deliver(author(1, rival=77))
    kept = Letter.objects.get()
    Letter.objects.all().delete()
    assert deliver(author(77)) == [Applied()]
    kept.save(force_insert=True)
    assert deliver(author(77)) == [Skipped(Reason.DUPLICATE)]
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 2


def test_two_workers_that_release_the_same_letters_release_each_once(server):
    deliver(*(author(pk, rival=77) for pk in range(1, 21)))
    AuthorRef.objects.create(id=77, name="by hand", cqrs_revision=0, cqrs_updated="2026-01-01T00:00Z")
    parents = waiting.next_parents(server)
    found = [Worker(lambda: waiting.release_found(server, parents)) for _ in range(2)]
    assert sum(worker.finish() for worker in found) == 20


@pytest.mark.parametrize("seed", range(3))
def test_families_whose_messages_are_dealt_out_to_four_workers_are_all_united(server, seed):
    """Every town with its land, every second land with its capital: circles, chains and plain children."""
    dice = random.Random(seed)
    lands = [land(pk, capital=pk if pk % 2 else None) for pk in range(1, 31)]
    towns = [town(pk, country=pk) for pk in range(1, 31)]
    messages = dice.sample([*lands, *towns, *lands], 90)
    workers = [Worker(lambda mine=messages[first::WORKERS]: take_turns(mine)) for first in range(WORKERS)]
    for worker in workers:
        worker.finish()
    testing.deliver("replica")
    assert not Letter.objects.filter(state=Letter.WAITING).exists()
    retry_now()
    testing.deliver("replica")
    assert list(Letter.objects.values_list("cqrs_id", "pk_text", "state", "reason")) == []
    assert set(TownRef.objects.values_list("pk", "land_id")) == {(pk, pk) for pk in range(1, 31)}
    assert set(LandRef.objects.values_list("pk", "capital_id")) == {(pk, pk if pk % 2 else None) for pk in range(1, 31)}


def take_turns(messages):
    for start in range(0, len(messages), 3):
        deliver(*messages[start : start + 3])
