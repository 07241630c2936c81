"""cqrs_deleted_diff_replica | cqrs_deleted_diff_master | cqrs_deleted_sync_replica: a replica loses what it should not
have, by the way that every DELETE takes.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from django.db.models.signals import pre_delete

from celery_cqrs import signals
from celery_cqrs.models import Letter, Outbox, Tombstone
from tests.app.keyed import Grade, GradeRef, Holiday, HolidayRef
from tests.app.models import Author, AuthorRef, Box, BoxRef, Plate, PlateRef, Product, ProductRef, Shelf, ShelfRef
from tests.apply.replicas import Outermost, Recorder
from tests.conftest import on_sqlite
from tests.receive.wire import author
from tests.receive.wire import deliver as receive
from tests.transfer.pipes import deliver, mend_deleted, run

SHELF = UUID(int=2**127)


@pytest.fixture(autouse=True)
def on_each(uncommitted):
    """One database after the other."""


def authors(*names):
    made = [Author.objects.create(name=name) for name in names]
    deliver()
    return made


def delete_unseen(*rows):
    """As raw SQL does: nothing is captured."""
    for row in rows:
        type(row)._base_manager.filter(pk=row.pk)._raw_delete(row._state.db)


def letter_of(pk, revision, **values):
    """A letter that waits for its next try with a SAVE of an author."""
    payload = author(pk, revision, name="late", **values)
    return Letter.objects.create(
        queue="replica",
        cqrs_id="author",
        pk_text=str(pk),
        signal_type="SAVE",
        revision=revision,
        payload=payload,
        reason="-",
        state=Letter.RETRYING,
    )


def test_rows_without_a_master_are_found_and_deleted():
    ann, bea, cid = authors("Ann", "Bea", "Cid")
    delete_unseen(ann, cid)
    listed, found, done = mend_deleted("author")
    assert listed.lists == [[ann.pk, bea.pk, cid.pk]]
    assert found.lists == [[ann.pk, cid.pk]]
    assert done.output == "Done!\n2 instance(s) deleted.\n"
    assert AuthorRef.objects.get().name == "Bea"
    assert mend_deleted("author")[1].lists == []


@on_sqlite
def test_the_keys_to_delete_are_told_to_people_as_django_cqrs_tells_them():
    (ann,) = authors("Ann")
    delete_unseen(ann)
    assert f"PK to delete: [{ann.pk}]\n" in mend_deleted("author")[1].errors


def test_a_deletion_is_remembered_at_the_revision_of_the_row():
    (ann,) = authors("Ann")
    AuthorRef.objects.update(cqrs_revision=4)
    delete_unseen(ann)
    mend_deleted("author")
    assert Tombstone.objects.get(side=Tombstone.REPLICA).revision == 4
    receive(author(ann.pk, 4))
    assert not AuthorRef.objects.exists()
    receive(author(ann.pk, 5))
    assert AuthorRef.objects.exists()


def test_keys_of_any_type_are_deleted_through_the_pipe():
    shelf = Shelf.objects.create(pk=SHELF, label="-")
    plate = Plate.objects.create(shelf=shelf)
    product = Product.objects.create(sku="ä, ☃", title="-")
    holiday = Holiday.objects.create(day=date(2026, 1, 2), name="rest")
    grade = Grade.objects.create(mark=1)
    deliver()
    delete_unseen(plate, shelf, product, holiday, grade)
    lists = [mend_deleted(cqrs_id)[1].lists for cqrs_id in ("plate", "shelf", "product", "holiday", "grade")]
    assert lists == [[[str(SHELF)]], [[str(SHELF)]], [["ä, ☃"]], [["2026-01-02"]], [["1.00"]]]
    assert not any(model.objects.exists() for model in (PlateRef, ShelfRef, ProductRef, HolidayRef, GradeRef))


def test_a_row_that_has_left_the_filter_is_deleted_where_the_model_says_so():
    Holiday.objects.create(day=date(2026, 1, 2), name="rest")
    Grade.objects.create(mark=1)
    box = Box.objects.create(shelf=Shelf.objects.create(label="-"), label="box")
    deliver()
    Holiday.objects.update(name="")
    Grade.objects.update(is_open=False)
    Box.objects.update(label="-box")
    assert mend_deleted("holiday")[1].lists == [["2026-01-02"]]
    assert mend_deleted("grade")[1].lists == [["1.00"]]
    assert mend_deleted("box")[1].lists == []
    assert BoxRef.objects.get().pk == box.pk


@on_sqlite
def test_rows_that_a_manager_of_the_master_hides_are_not_deleted():
    shelf = Shelf.objects.create(label="-")
    Plate.objects.create(shelf=shelf, is_hidden=True)
    deliver()
    assert mend_deleted("plate")[1].lists == []


def test_a_row_that_has_begun_a_new_life_meanwhile_is_left_alone():
    (ann,) = authors("Ann")
    pk = ann.pk
    listed = run("cqrs_deleted_diff_replica", "-cid", "author")
    ann.delete()
    found = run("cqrs_deleted_diff_master", given=listed.output)
    Author.objects.create(pk=pk, name="Anew")
    deliver()
    done = run("cqrs_deleted_sync_replica", given=found.output)
    assert "0 instance(s) deleted" in done.output
    assert f"PK left alone, changed since it was read: [{pk}]" in done.errors
    assert AuthorRef.objects.get().name == "Anew"


def test_a_change_that_comes_in_this_very_moment_is_kept_by_the_guard():
    (ann,) = authors("Ann")
    delete_unseen(ann)
    found = run("cqrs_deleted_diff_master", given=run("cqrs_deleted_diff_replica", "-cid", "author").output)

    def be_quicker(sender, **_):
        AuthorRef.objects.update(cqrs_revision=1)

    signals.path_chosen.connect(be_quicker, AuthorRef)
    done = run("cqrs_deleted_sync_replica", given=found.output)
    signals.path_chosen.disconnect(be_quicker, AuthorRef)
    assert f"PK left alone, changed since it was read: [{ann.pk}]" in done.errors
    assert AuthorRef.objects.exists()
    assert not Tombstone.objects.filter(side=Tombstone.REPLICA).exists()


def test_a_new_life_after_the_deletion_is_applied():
    (ann,) = authors("Ann")
    pk = ann.pk
    Outbox.objects.all().delete()
    ann.delete()
    Outbox.objects.all().delete()
    mend_deleted("author")
    assert not AuthorRef.objects.exists()
    Author.objects.create(pk=pk, name="Anew")
    deliver()
    assert AuthorRef.objects.get().name == "Anew"


def test_a_late_deletion_finds_nothing_and_is_remembered_all_the_same():
    (ann,) = authors("Ann")
    pk = ann.pk
    ann.delete()
    mend_deleted("author")
    deliver()
    assert Tombstone.objects.get(side=Tombstone.REPLICA, pk_text=str(pk)).revision == 1


def test_a_letter_that_would_bring_the_row_back_goes_with_it():
    (ann,) = authors("Ann")
    letter_of(ann.pk, 3)
    delete_unseen(ann)
    assert "1 instance(s) deleted" in mend_deleted("author")[2].output
    assert not Letter.objects.exists()
    receive(author(ann.pk, 3))
    assert not AuthorRef.objects.exists()


@on_sqlite
def test_a_letter_of_a_new_life_keeps_the_row():
    (ann,) = authors("Ann")
    letter_of(ann.pk, 3)
    Letter.objects.update(payload={**author(ann.pk, 3), "captured_at": "2999-01-01T00:00:00Z"})
    delete_unseen(ann)
    assert "PK left alone" in mend_deleted("author")[2].errors
    assert AuthorRef.objects.exists()


@on_sqlite
def test_what_cannot_be_deleted_is_named_and_tried_again_as_a_letter():
    ann, bea = authors("Ann", "Bea")
    delete_unseen(ann, bea)

    def refuse(instance, **_):
        if instance.pk == ann.pk:
            raise RuntimeError("not this one")

    pre_delete.connect(refuse, AuthorRef)
    listed = run("cqrs_deleted_diff_replica", "-cid", "author")
    found = run("cqrs_deleted_diff_master", given=listed.output)
    done = run("cqrs_deleted_sync_replica", given=found.output)
    pre_delete.disconnect(refuse, AuthorRef)
    assert (done.code, done.output) == (1, "Done!\n1 instance(s) deleted.\n")
    assert f"PK not deleted: {ann.pk}. RuntimeError: not this one" in done.errors
    assert done.refusal.startswith("1 rows, named above, could not be deleted")
    assert Letter.objects.get().state == Letter.RETRYING
    assert AuthorRef.objects.get().name == "Ann"


@on_sqlite
def test_the_hooks_of_the_replica_are_asked():
    AuthorRef.objects.create(name="Ann", cqrs_revision=2, cqrs_updated="2026-01-02T00:00:00Z")
    pk = AuthorRef.objects.get().pk
    Recorder.calls.clear()
    run("cqrs_deleted_sync_replica", given=f"{Outermost.CQRS_ID},2026-06-01 00:00:00+00:00\n[{pk}]\n")
    ((hook, _, _, data, _, _),) = Recorder.calls
    Recorder.calls.clear()
    assert (hook, data["id"], data["cqrs_revision"]) == ("delete", pk, 2)
    assert not AuthorRef.objects.exists()


@on_sqlite
def test_a_key_that_the_master_cannot_have_is_named_and_not_deleted():
    ran = run("cqrs_deleted_diff_master", given='author,2026-01-01 00:00:00+00:00\n["a", 7]\n')
    assert ran.lists == [[7]]
    assert "No PK of this model: ['a']" in ran.errors
    assert (ran.code, ran.refusal) == (1, "1 keys, named above, cannot be keys of the model and were passed over.")
