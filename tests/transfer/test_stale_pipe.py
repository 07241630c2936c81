"""cqrs_diff_master | cqrs_diff_replica | cqrs_diff_sync: what is stale or missing on a replica is sent again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from celery_cqrs.models import Outbox
from tests.app.keyed import Grade, GradeRef, Holiday, HolidayRef
from tests.app.models import (
    Animal,
    AnimalRef,
    Author,
    AuthorRef,
    Box,
    BoxRef,
    Dog,
    DogRef,
    Plate,
    PlateRef,
    Product,
    ProductRef,
    Shelf,
    ShelfRef,
)
from tests.conftest import on_sqlite
from tests.transfer.pipes import STALE, deliver, mend_deleted, mend_stale, pipe, run

SHELVES = [UUID(int=number) for number in (1, 2, 2**127)]


@pytest.fixture(autouse=True)
def on_each(uncommitted):
    """One database after the other."""


def authors(*names):
    made = [Author.objects.create(name=name) for name in names]
    deliver()
    return made


def test_stale_and_missing_rows_are_found_and_the_present_state_is_sent():
    ann, bea, cid = authors("Ann", "Bea", "Cid")
    AuthorRef.objects.filter(pk=ann.pk).delete()
    Author.objects.filter(pk=bea.pk).update(name="Bee", cqrs_revision=7)
    listed, found, synced = mend_stale("author")
    assert listed.lists == [[[ann.pk, 0], [bea.pk, 7], [cid.pk, 0]]]
    assert found.lists == [[ann.pk, bea.pk]]
    assert synced.output == "Done!\n2 instance(s) synced.\n2 instance(s) processed.\n"
    assert list(AuthorRef.objects.order_by("pk").values_list("name", flat=True)) == ["Ann", "Bee", "Cid"]


def test_nothing_is_sent_where_nothing_differs():
    authors("Ann", "Bea")
    _, found, synced = mend_stale("author")
    assert found.lists == []
    assert "0 instance(s) synced" in synced.output


@on_sqlite
def test_the_headers_tell_id_and_moment_and_then_the_queue():
    authors("Ann")
    listed, found, _ = mend_stale("author")
    header = listed.output.splitlines()[0]
    assert header.startswith("author,20") and header.endswith("+00:00")
    assert found.output.splitlines()[0] == f"{header},replica"


@on_sqlite
def test_the_keys_to_send_again_are_told_to_people_as_django_cqrs_tells_them():
    (ann,) = authors("Ann")
    AuthorRef.objects.all().delete()
    assert f"PK to resync: {{{ann.pk}}}\n" in mend_stale("author")[1].errors


def test_keys_of_any_type_travel_through_the_pipe():
    for shelf in SHELVES:
        Plate.objects.create(shelf=Shelf.objects.create(pk=shelf, label="-"))
    for sku in ("a", "ä, ☃", 'say "no"'):
        Product.objects.create(sku=sku, title="-")
    for day in (date(1999, 12, 31), date(2026, 1, 2)):
        Holiday.objects.create(day=day, name="rest")
    for mark in ("1.50", "-2.25"):
        Grade.objects.create(mark=Decimal(mark))
    Outbox.objects.all().delete()
    lists = {cqrs_id: mend_stale(cqrs_id)[1].lists for cqrs_id in ("shelf", "plate", "product", "holiday", "grade")}
    assert lists["shelf"] == lists["plate"] == [[str(shelf) for shelf in SHELVES]]
    assert sorted(lists["product"][0]) == ["a", 'say "no"', "ä, ☃"]
    assert lists["holiday"] == [["1999-12-31", "2026-01-02"]]
    assert lists["grade"] == [["-2.25", "1.50"]]
    assert sorted(ShelfRef.objects.values_list("pk", flat=True)) == SHELVES
    assert [model.objects.count() for model in (PlateRef, ProductRef, HolidayRef, GradeRef)] == [3, 3, 2, 2]
    assert all(mend_stale(cqrs_id)[1].lists == [] for cqrs_id in lists)


def test_parents_and_children_of_several_tables_are_mended_each_under_its_id():
    dog = Dog.objects.create(name="Rex", tricks=2)
    cat = Animal.objects.create(name="Tom")
    Outbox.objects.all().delete()
    assert mend_stale("animal")[1].lists == [[dog.pk, cat.pk]]
    assert mend_stale("dog")[1].lists == [[dog.pk]]
    assert set(AnimalRef.objects.values_list("name", flat=True)) == {"Rex", "Tom"}
    assert DogRef.objects.get().tricks == 2
    Dog.objects.filter(pk=dog.pk)._raw_delete(dog._state.db)
    assert mend_deleted("dog")[1].lists == [[dog.pk]]
    assert mend_deleted("animal")[1].lists == []
    assert not DogRef.objects.exists()


def test_every_row_is_listed_once_whatever_the_batch_size():
    made = authors(*"abcdefg")
    for size in (1, 2, 3, 7, 8):
        lists = run("cqrs_diff_master", "-cid", "author", "-b", size).lists
        assert [len(one) for one in lists[:-1]] == [size] * (len(lists) - 1)
        assert [pk for one in lists for pk, _ in one] == [one.pk for one in made]


def test_a_filter_narrows_the_rows_that_are_compared():
    made = authors("Ann", "Bea", "Cid")
    AuthorRef.objects.all().delete()
    Author.objects.filter(pk=made[1].pk).update(rival=made[0].pk)
    look_ups = f'{{"name__in": ["Ann", "Bea"], "id__lte": {made[1].pk}}}'
    assert run("cqrs_diff_master", "-cid", "author", "-f", look_ups).lists == [[[one.pk, 0] for one in made[:2]]]
    of_rivals = '{"author__isnull": true, "pk__gt": 0}'
    assert run("cqrs_diff_master", "-cid", "author", "-f", of_rivals).lists == [[[one.pk, 0] for one in made[1:]]]


def test_a_row_that_many_related_rows_match_is_listed_once():
    ann, bea, cid = authors("Ann", "Bea", "Cid")
    Author.objects.filter(pk__in=[bea.pk, cid.pk]).update(rival=ann.pk)
    lists = run("cqrs_diff_master", "-cid", "author", "-b", 1, "-f", '{"author__name__gt": ""}').lists
    assert lists == [[[ann.pk, 0]]]


def test_what_the_filter_of_the_model_keeps_back_is_not_listed():
    shelf = Shelf.objects.create(label="-")
    shown, _ = Box.objects.create(shelf=shelf, label="box"), Box.objects.create(shelf=shelf, label="-box")
    Grade.objects.create(mark=1)
    Grade.objects.create(mark=2, is_open=False)
    assert run("cqrs_diff_master", "-cid", "box").lists == [[[shown.pk, 0]]]
    assert run("cqrs_diff_master", "-cid", "grade").lists == [[["1.00", 0]]]


@on_sqlite
def test_rows_that_a_manager_hides_are_compared_since_replicas_have_them():
    Plate.objects.create(shelf=Shelf.objects.create(pk=SHELVES[0], label="-"), is_hidden=True)
    deliver()
    assert run("cqrs_diff_master", "-cid", "plate").lists == [[[str(SHELVES[0]), 0]]]
    assert mend_stale("plate")[1].lists == []


@on_sqlite
def test_rows_are_sent_to_the_replica_that_lacks_them_alone(configure):
    configure(master={"replicas": {"replica": "__all__", "other": ["author"]}})
    authors("Ann")
    AuthorRef.objects.all().delete()
    Outbox.objects.all().delete()
    pipe(("cqrs_diff_master", "-cid", "author"), *STALE)
    assert list(Outbox.objects.values_list("queue", "signal_type", "direct")) == [("replica", "SYNC", True)]


@on_sqlite
def test_a_replica_without_a_queue_gets_its_rows_by_all_queues(configure):
    configure(master={"replicas": {"replica": "__all__", "other": ["author"]}})
    (ann,) = authors("Ann")
    Outbox.objects.all().delete()
    ran = run("cqrs_diff_sync", given=f"author,2026-01-01 00:00:00+00:00,None\n[{ann.pk}]\n")
    assert "1 instance(s) synced" in ran.output
    assert set(Outbox.objects.values_list("queue", "direct")) == {("replica", False), ("other", False)}


@on_sqlite
def test_a_row_that_has_gone_meanwhile_is_left_out_of_the_sync():
    ann, bea = authors("Ann", "Bea")
    given = f"author,2026-01-01 00:00:00+00:00,replica\n[{ann.pk}, {bea.pk}]\n[{bea.pk + 1}]\n"
    ann.delete()
    ran = run("cqrs_diff_sync", "--batch", 1, given=given)
    assert ran.output == "Done!\n1 instance(s) synced.\n3 instance(s) processed.\n"


@on_sqlite
def test_children_whose_parents_are_missing_too_come_when_both_are_sent():
    shelf = Shelf.objects.create(label="-")
    Box.objects.create(shelf=shelf, label="box")
    deliver()
    BoxRef.objects.all().delete()
    ShelfRef.objects.all().delete()
    mend_stale("box")
    mend_stale("shelf")
    assert (BoxRef.objects.count(), ShelfRef.objects.count()) == (1, 1)


@on_sqlite
def test_progress_is_shown_when_asked_for_and_not_among_the_lines():
    authors("Ann", "Bea")
    listed = run("cqrs_diff_master", "-cid", "author", "--progress")
    assert "2 of 2 rows (100 %)" in listed.errors
    assert len(listed.output.splitlines()) == 2
    AuthorRef.objects.all().delete()
    found = run("cqrs_diff_replica", given=listed.output)
    assert "2 rows" in run("cqrs_diff_sync", "-p", given=found.output).errors


@on_sqlite
def test_a_row_whose_filter_fails_is_compared_and_not_forgotten():
    Holiday.objects.bulk_create([Holiday(day=date(2026, 1, 1), name="?"), Holiday(day=date(2026, 1, 2), name="")])
    assert run("cqrs_diff_master", "-cid", "holiday").lists == [[["2026-01-01", 0]]]
