"""Rows that refer to each other come through, in one batch and in two, wherever the replica's schema allows it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import connections

from celery_cqrs import testing
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Waiting
from celery_cqrs.tasks import retry_letters
from tests.app.families import HookedLandRef, KeyRef, LandRef, LockRef, TownRef
from tests.app.models import AuthorRef, SpecimenRef
from tests.apply.test_missing_parents import land, specimen, town
from tests.conftest import on_database
from tests.receive.wire import author, confirmed, deliver, message

pytestmark = pytest.mark.usefixtures("each_path")

CODES = [f"c0ffee00-0000-4000-8000-00000000000{number}" for number in range(3)]


@pytest.fixture(autouse=True)
def wanted():
    yield
    HookedLandRef.unwanted.clear()


def lock(pk, key):
    return message("lock", pk, key=key)


def key(pk, lock):
    return message("key", pk, lock=lock)


def deliver_in(batches, *messages):
    """All messages in one batch, or each in its own."""
    if batches == "one batch":
        deliver(*messages)
    else:
        for one in messages:
            deliver(one)
    testing.deliver("replica")


in_batches = pytest.mark.parametrize("batches", ["one batch", "many batches"])


@in_batches
def test_two_rows_of_one_model_that_refer_to_each_other_are_applied(database, batches):
    deliver_in(batches, author(1, rival=2), author(2, rival=1))
    assert set(AuthorRef.objects.values_list("pk", "rival_id")) == {(1, 2), (2, 1)}
    assert not Letter.objects.exists()


@in_batches
def test_a_circle_of_many_rows_is_applied_in_any_order(database, batches):
    circle = [author(pk, rival=pk % 7 + 1) for pk in (3, 1, 6, 2, 7, 5, 4)]
    deliver_in(batches, *circle)
    assert set(AuthorRef.objects.values_list("pk", "rival_id")) == {(pk, pk % 7 + 1) for pk in range(1, 8)}
    assert not Letter.objects.exists()


@in_batches
@pytest.mark.parametrize("town_first", [True, False])
def test_rows_of_two_models_that_refer_to_each_other_are_applied_where_one_may_be_null(database, batches, town_first):
    rows = [town(1, country=9), land(9, capital=1)]
    deliver_in(batches, *(rows if town_first else rows[::-1]))
    assert TownRef.objects.get().land_id == 9
    assert LandRef.objects.get().capital_id == 1
    assert not Letter.objects.exists()


@in_batches
def test_rows_that_can_never_be_without_each_other_are_applied_where_the_database_looks_at_the_end(database, batches):
    deliver_in(batches, lock(1, key=5), key(5, lock=1))
    if database == "mariadb":
        letters = Letter.objects.order_by("cqrs_id")
        assert {one.state for one in letters} == {Letter.DEAD}
        assert {one.reason for one in letters} == {letters[0].reason}
        assert "refer to each other, and this database checks every row as it is written" in letters[0].reason
        assert "key '5'" in letters[0].reason and "lock '1'" in letters[0].reason
    else:
        assert (LockRef.objects.get().key_id, KeyRef.objects.get().lock_id) == (5, 1)
        assert not Letter.objects.exists()


def test_a_circle_is_confirmed_as_letters_and_then_applied_at_once_without_beat(database):
    endings = deliver(town(1, country=9), land(9, capital=1))
    assert {type(ending) for ending in endings} == {Waiting}
    assert confirmed() == [100, 900]
    assert TownRef.objects.count() == LandRef.objects.count() == 1


def test_children_of_a_circle_come_after_it(database):
    deliver(author(8, rival=1))
    deliver(author(9, rival=8))
    deliver(author(1, rival=2))
    deliver(author(2, rival=1))
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 4
    assert not Letter.objects.exists()


def test_a_circle_that_misses_something_besides_waits_for_that_as_well(database):
    for one in (land(1, capital=5), town(5, country=2)):
        deliver(one)
    assert Letter.objects.filter(state=Letter.WAITING).count() == 2
    deliver(land(2, capital=5))
    testing.deliver("replica")
    assert (LandRef.objects.count(), TownRef.objects.count()) == (2, 1)
    assert not Letter.objects.exists()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_rows_that_refer_to_each_other_by_another_unique_field_are_applied(database, order):
    rows = [specimen(pk + 1, CODES[pk], twin=CODES[(pk + 1) % 3]) for pk in range(3)]
    for number in order:
        deliver(rows[number])
    testing.deliver("replica")
    assert SpecimenRef.objects.count() == 3
    assert not Letter.objects.exists()


def test_a_circle_that_nobody_has_noticed_is_found_by_beat(database):
    deliver(author(1, rival=2))
    waiting = Letter.objects.get()
    Letter.objects.all().delete()
    deliver(author(2, rival=1))
    waiting.save(force_insert=True)
    retry_letters()
    assert AuthorRef.objects.count() == 2
    assert not Letter.objects.exists()


def test_a_row_of_a_circle_that_was_deleted_meanwhile_does_not_come_back(database):
    deliver(author(1, 3, rival=2))
    Tombstone.objects.create(side="replica", cqrs_id="author", pk_text="1", revision=9, deleted_at="2026-01-01T00:00Z")
    deliver(author(2, 0, rival=1))
    testing.deliver("replica")
    assert not AuthorRef.objects.exists()


def test_an_updated_row_closes_a_circle_with_a_new_one(database):
    deliver(author(1))
    deliver(author(1, 1, rival=2), author(2, rival=1))
    testing.deliver("replica")
    assert set(AuthorRef.objects.values_list("pk", "rival_id", "cqrs_revision")) == {(1, 2, 1), (2, 1, 0)}


def test_a_row_of_a_circle_that_fails_for_its_own_reason_is_retried_and_the_other_waits(database):
    HookedLandRef.unwanted.add(9)
    deliver(message("hooked_land", 9, capital=1))
    Letter.objects.update(state=Letter.WAITING, parent="app.townref.id", parent_key="1")
    deliver(town(1, country=9))
    states = dict(Letter.objects.values_list("cqrs_id", "state"))
    assert states == {"hooked_land": Letter.RETRYING, "town": Letter.WAITING}
    assert Letter.objects.get(cqrs_id="hooked_land").reason == "RuntimeError: not this one"
    assert not LandRef.objects.exists()
    HookedLandRef.unwanted.clear()
    Letter.objects.filter(cqrs_id="hooked_land").update(not_before="2026-01-01T00:00Z")
    retry_letters()
    assert (LandRef.objects.get().capital_id, TownRef.objects.get().land_id) == (1, 9)


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=on_database("postgres"))], indirect=True)
def test_a_circle_that_the_database_refuses_at_the_end_is_retried_and_stops_nobody(database):
    deliver(land(2), town(5, country=2))
    with unique_at_the_end(database, "app_townref"):
        deliver(town(1, country=9))
        deliver(land(9, capital=1))
        states = dict(Letter.objects.values_list("cqrs_id", "state"))
        assert states == {"land": Letter.RETRYING, "town": Letter.RETRYING}
        assert "one_of_each" in Letter.objects.first().reason
        deliver(land(3))
    assert set(LandRef.objects.values_list("pk", flat=True)) == {2, 3}


@contextmanager
def unique_at_the_end(database, table):
    """No two rows of one revision, which only PostgreSQL can ask when the transaction ends."""
    execute(database, f"ALTER TABLE {table} ADD CONSTRAINT one_of_each UNIQUE (cqrs_revision) DEFERRABLE")
    try:
        yield
    finally:
        execute(database, f"ALTER TABLE {table} DROP CONSTRAINT one_of_each")


def execute(database, statement):
    """In a connection as the last delivery has left it."""
    with connections[database].cursor() as cursor:
        cursor.execute(statement)
