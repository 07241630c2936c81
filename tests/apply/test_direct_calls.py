"""The guarded writes called by hand: Model.cqrs_save, Model.cqrs_delete and Model.cqrs."""

from __future__ import annotations

import pytest
from django.db import transaction

from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.models import Tombstone
from celery_cqrs.outcome import Reason, Skipped
from tests.app.models import AuthorRef, ProductRef
from tests.apply.replicas import Recorder, Watched
from tests.receive.wire import author, deliver, product


def data(pk=1, revision=0, **values):
    return author(pk, revision, **values)["instance_data"]


def grave(pk, revision):
    return {"id": pk, "cqrs_revision": revision, "cqrs_updated": "2026-01-01T00:00:00Z"}


def test_a_save_by_hand_creates_and_updates_the_row(database):
    created = AuthorRef.cqrs_save(data(name="Ann"))
    updated = AuthorRef.cqrs_save(data(revision=1, name="Bea"))
    assert (created.name, updated.name) == ("Ann", "Bea")
    assert AuthorRef.objects.get().cqrs_revision == 1


@pytest.mark.django_db
def test_a_stale_save_by_hand_changes_nothing_and_gives_the_row():
    AuthorRef.cqrs_save(data(revision=3, name="new"))
    assert AuthorRef.cqrs_save(data(revision=2, name="old")).name == "new"
    assert AuthorRef.cqrs_save(data(revision=3, name="same")).name == "new"
    assert AuthorRef.objects.get().name == "new"


@pytest.mark.django_db
def test_a_sync_by_hand_repairs_at_the_same_revision():
    AuthorRef.cqrs_save(data(revision=3, name="wrong"))
    AuthorRef.cqrs_save(data(revision=3, name="right"), sync=True)
    assert AuthorRef.objects.get().name == "right"


def test_a_delete_by_hand_is_remembered_and_true_also_for_nothing(database):
    AuthorRef.cqrs_save(data())
    assert AuthorRef.cqrs_delete(grave(1, 1)) is True
    assert AuthorRef.cqrs_delete(grave(2, 5)) is True
    assert not AuthorRef.objects.exists()
    assert set(Tombstone.objects.values_list("pk_text", "revision")) == {("1", 1), ("2", 5)}


@pytest.mark.django_db
def test_a_stale_delete_by_hand_keeps_the_row_and_remembers_nothing():
    AuthorRef.cqrs_save(data(revision=3))
    assert AuthorRef.cqrs_delete(grave(1, 2)) is True
    assert AuthorRef.objects.count() == 1
    assert not Tombstone.objects.exists()


def test_a_save_by_hand_does_not_resurrect_what_was_deleted(database):
    AuthorRef.cqrs_delete(grave(1, 3))
    assert AuthorRef.cqrs_save(data(revision=3)) is True
    assert AuthorRef.cqrs_save(data(revision=2)) is True
    assert not AuthorRef.objects.exists()
    assert AuthorRef.cqrs_save(data(revision=4)).pk == 1


@pytest.mark.django_db
def test_a_write_by_hand_leaves_no_placeholder_behind():
    AuthorRef.cqrs_save(data())
    AuthorRef.cqrs_save(data(2, revision=1))
    assert not Tombstone.objects.exists()


@pytest.mark.django_db
def test_what_was_saved_by_hand_guards_against_the_broker():
    AuthorRef.cqrs_save(data(revision=3))
    assert deliver(author(1, 3), author(1, 2)) == [Skipped(Reason.DUPLICATE), Skipped(Reason.WRONG_ORDER)]


def test_a_write_by_hand_belongs_to_the_transaction_of_its_caller(database):
    with transaction.atomic(using=database):
        AuthorRef.cqrs_save(data())
        AuthorRef.cqrs_delete(grave(2, 1))
        transaction.set_rollback(True, using=database)
    assert not AuthorRef.objects.exists()
    assert not Tombstone.objects.exists()


@pytest.mark.django_db
def test_the_names_of_the_master_are_mapped():
    ProductRef.cqrs_save(product("a", title="thing")["instance_data"])
    assert ProductRef.objects.get().name == "thing"


@pytest.mark.django_db
@pytest.mark.parametrize("missing", ["id", "cqrs_revision", "cqrs_updated"])
def test_a_save_by_hand_without_a_needed_value_names_it(missing):
    values = data()
    del values[missing]
    with pytest.raises(MappingFailed, match=f"'{missing}'"):
        AuthorRef.cqrs_save(values)


@pytest.mark.django_db
@pytest.mark.parametrize("missing", ["id", "cqrs_revision", "cqrs_updated"])
def test_a_delete_by_hand_without_a_needed_value_names_it(missing):
    values = grave(1, 1)
    del values[missing]
    with pytest.raises(MappingFailed, match=f"'{missing}'"):
        AuthorRef.cqrs_delete(values)


@pytest.mark.django_db
def test_a_save_by_hand_gives_what_the_hook_gives():
    assert Watched.cqrs_save(data(name="nothing")) is None
    assert not AuthorRef.objects.exists()
    assert Recorder.calls[0][:2] == ("create", "nothing")


@pytest.mark.django_db
def test_a_manager_by_hand_works_as_the_model_does():
    AuthorRef.cqrs.save_instance(data(name="Ann"), None, False, None)
    assert AuthorRef.cqrs.delete_instance(grave(1, 1)) is True
    assert not AuthorRef.objects.exists()


@pytest.mark.django_db
def test_the_hooks_by_hand_are_not_guarded_since_they_are_the_write_itself():
    row = AuthorRef.cqrs_create(
        False, {"id": 1, "name": "Ann", "cqrs_revision": 3, "cqrs_updated": "2026-01-01T00:00Z"}
    )
    assert row.cqrs_update(False, {"name": "Bea", "cqrs_revision": 2})
    assert AuthorRef.objects.get().name == "Bea"
