"""Deletions: never undone by what is late, always undone by what is newer."""

from __future__ import annotations

from itertools import permutations

import pytest

from celery_cqrs import testing
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Reason, Skipped
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.receive.wire import author, confirmed, deletion, deliver

pytestmark = pytest.mark.usefixtures("each_path")

LIFE = {
    "created": author(1, 0),
    "updated": author(1, 1),
    "deleted": deletion("author", 1, 2),
    "born again": author(1, 3),
}


def state():
    return list(AuthorRef.objects.values_list("pk", "name", "cqrs_revision"))


def grave():
    return dict(Tombstone.objects.filter(side="replica").values_list("pk_text", "revision"))


def test_a_delete_before_its_save_keeps_the_row_away(database):
    assert deliver(deletion("author", 1, 2)) == [Applied()]
    assert deliver(author(1, 1)) == [Skipped(Reason.DELETED)]
    assert state() == []
    assert grave() == {"1": 2}


@pytest.mark.django_db
def test_a_delete_and_an_older_save_in_one_batch_leave_nothing():
    deliver(author(1, 1), deletion("author", 1, 2))
    deliver(deletion("author", 2, 2), author(2, 1))
    assert state() == []


@pytest.mark.django_db
def test_a_re_created_row_stays_when_the_delete_arrives_last():
    deliver(author(1, 0))
    deliver(author(1, 3))
    assert deliver(deletion("author", 1, 2)) == [Skipped(Reason.WRONG_ORDER)]
    assert state() == [(1, "name at 3", 3)]


def test_a_re_created_row_comes_back_over_its_tombstone(database):
    deliver(author(1, 0), deletion("author", 1, 1))
    assert deliver(author(1, 2)) == [Applied()]
    assert state() == [(1, "name at 2", 2)]


@pytest.mark.django_db
def test_a_delete_at_the_revision_of_the_row_takes_it():
    deliver(author(1, 2))
    assert deliver(deletion("author", 1, 2)) == [Applied()]
    assert state() == []


def test_a_second_delete_is_a_duplicate_and_the_tombstone_only_rises(database):
    deliver(deletion("author", 1, 5))
    assert deliver(deletion("author", 1, 5)) == [Skipped(Reason.DUPLICATE)]
    assert deliver(deletion("author", 1, 3)) == [Skipped(Reason.DUPLICATE)]
    assert grave() == {"1": 5}
    assert deliver(deletion("author", 1, 7)) == [Applied()]
    assert grave() == {"1": 7}


@pytest.mark.django_db
def test_a_sync_may_bring_a_row_back_at_the_revision_of_its_tombstone():
    deliver(author(1, 2), deletion("author", 1, 2))
    assert deliver({**author(1, 2), "signal_type": "SYNC"}) == [Applied()]
    assert state() == [(1, "name at 2", 2)]
    deliver(deletion("author", 1, 2))
    assert deliver({**author(1, 1), "signal_type": "SYNC"}) == [Skipped(Reason.DELETED)]


@pytest.mark.django_db
def test_deletes_are_confirmed_whether_there_was_a_row_or_not():
    deliver(deletion("author", 1, 1), deletion("author", 1, 1))
    assert confirmed() == [101, 101]


@pytest.mark.parametrize("order", list(permutations(LIFE)), ids=", ".join)
@pytest.mark.django_db
def test_a_life_after_death_ends_the_same_in_any_order(order):
    for name in order:
        deliver(LIFE[name])
    assert state() == [(1, "name at 3", 3)]
    assert not Letter.objects.exists()


@pytest.mark.parametrize("order", list(permutations(["created", "updated", "deleted"])), ids=", ".join)
@pytest.mark.django_db
def test_a_life_that_ended_is_over_in_any_order(order):
    for name in (*order, *order):
        deliver(LIFE[name])
    assert state() == []
    assert grave() == {"1": 2}


@pytest.mark.parametrize("order", list(permutations(LIFE)), ids=", ".join)
@pytest.mark.django_db
def test_a_life_after_death_in_one_batch_ends_the_same_in_any_order(order):
    deliver(*(LIFE[name] for name in order))
    assert state() == [(1, "name at 3", 3)]


def test_the_master_deletes_and_creates_again_and_the_delete_comes_last(database):
    ann = Author.objects.create(name="Ann")
    pk = ann.pk
    ann.delete()
    Author(pk=pk, name="Bea").save()
    created, deleted, again = MemoryTransport.queues.pop("replica")
    for envelope in (again, created, deleted):
        testing.deliver_one(envelope)
    assert state() == list(Author.objects.values_list("pk", "name", "cqrs_revision")) == [(pk, "Bea", 2)]


def test_nothing_but_real_tombstones_is_left_behind(database):
    deliver(author(1), author(2), author(3, rival=999), deletion("author", 4, 1))
    assert grave() == {"4": 1}
