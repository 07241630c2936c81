"""is_sync_instance and CQRS_PRODUCE: what is not sent still counts."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.exceptions import SettingRefused
from celery_cqrs.master.drain import drain_all
from tests.app.keyed import Grade
from tests.app.models import Author, Box, BoxRef, Shelf
from tests.capture.conftest import captured, carry_to_replica, forget_captured, graves, stored_revision


@pytest.fixture
def shelf(uncommitted):
    made = Shelf.objects.create(label="top")
    carry_to_replica(uncommitted)
    return made


@pytest.fixture
def mute_author(uncommitted, monkeypatch):
    """An author of a model that does not produce."""
    monkeypatch.setattr(Author, "CQRS_PRODUCE", False)
    return Author.objects.create(name="Ann")


def test_a_filtered_row_is_not_captured_but_its_revision_counts(shelf):
    box = Box.objects.create(shelf=shelf, label="-a")
    box.save()
    assert captured() == [] and box.cqrs_revision == stored_revision(box) == 1


def test_a_row_that_enters_the_filter_is_captured_at_its_revision(shelf):
    box = Box.objects.create(shelf=shelf, label="-a")
    box.save()
    box.label = "a"
    box.save()
    assert captured() == [("SAVE", "box", str(box.pk), 2)]


def test_a_row_that_has_left_the_filter_stays_on_the_replica_as_it_was(shelf, uncommitted):
    box = Box.objects.create(shelf=shelf, label="a")
    carry_to_replica(uncommitted)
    box.label = "-a"
    box.save()
    carry_to_replica(uncommitted)
    assert BoxRef.objects.get().label == "a"


def test_a_row_that_returns_into_the_filter_reaches_the_replica(shelf, uncommitted):
    box = Box.objects.create(shelf=shelf, label="a")
    carry_to_replica(uncommitted)
    for label in ("-a", "b"):
        box.label = label
        box.save()
    carry_to_replica(uncommitted)
    assert (BoxRef.objects.get().label, BoxRef.objects.get().cqrs_revision) == ("b", 2)


def test_a_filtered_deletion_is_not_captured_but_remembered(shelf):
    box = Box.objects.create(shelf=shelf, label="-a")
    key = str(box.pk)
    box.delete()
    assert captured() == [] and graves() == {("box", key): 1}


def test_a_filtered_life_raises_the_revision_of_the_next_one(shelf):
    box = Box.objects.create(shelf=shelf, label="-a")
    key = box.pk
    box.delete()
    again = Box.objects.create(pk=key, shelf=shelf, label="a")
    assert captured() == [("SAVE", "box", str(key), 2)] and stored_revision(again) == 2


def test_a_filtered_re_creation_continues_above_the_deletion_too(shelf):
    box = Box.objects.create(shelf=shelf, label="a")
    key = box.pk
    box.delete()
    again = Box.objects.create(pk=key, shelf=shelf, label="-a")
    assert again.cqrs_revision == stored_revision(again) == 2


def test_a_model_that_does_not_produce_captures_nothing_but_counts(mute_author):
    mute_author.save()
    assert captured() == [] and mute_author.cqrs_revision == stored_revision(mute_author) == 1


def test_a_model_that_does_not_produce_remembers_its_deletions(mute_author):
    key = str(mute_author.pk)
    mute_author.delete()
    assert captured() == [] and graves() == {("author", key): 1}


def test_a_model_that_does_not_produce_captures_no_bulk_and_no_sync(mute_author):
    Author.cqrs.bulk_create([Author(name="Bea")])
    Author.cqrs.bulk_update(Author.objects.all(), name="x")
    mute_author.cqrs_sync()
    assert captured() == []


def test_a_sync_captures_the_wish_to_send_a_row_again(shelf):
    forget_captured()
    assert shelf.cqrs_sync() is True
    assert captured() == [("SYNC", "shelf", str(shelf.pk), 0)] and stored_revision(shelf) == 0


def test_a_sync_for_one_queue_is_captured_for_that_queue_alone(shelf, uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}})
    shelf.cqrs_sync(queue="search")
    drain_all(uncommitted)
    assert len(testing.sent_messages("search")) == 1 and testing.sent_messages("shop") == []


def test_a_row_that_is_unsaved_or_gone_cannot_be_synced(shelf):
    key = shelf.pk
    shelf.delete()
    forget_captured()
    assert Shelf(label="new").cqrs_sync() is False
    assert Shelf(id=key, label="gone").cqrs_sync() is False
    assert captured() == []


def test_a_filtered_row_is_not_synced(shelf):
    box = Box.objects.create(shelf=shelf, label="-a")
    box.cqrs_sync()
    assert captured() == []


def test_a_filter_that_is_told_in_sql_as_well_chooses_the_rows_in_the_database(uncommitted, tmp_path):
    for mark, is_open in ((1, True), (2, False), (3, True)):
        Grade.objects.create(mark=mark, is_open=is_open)
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        call_command("cqrs_bulk_dump", "--cqrs-id", "grade", "--output", str(tmp_path / "grade"), stdout=StringIO())
    assert len((tmp_path / "grade").read_text().splitlines()) == 1 + 2
    assert any("WHERE" in one["sql"] and "is_open" in one["sql"].split("WHERE")[1] for one in queries)


def test_a_row_that_leaves_the_filter_before_it_is_published_is_not_sent(shelf, uncommitted):
    box = Box.objects.create(shelf=shelf, label="a")
    box.label = "-private"
    box.save()
    drain_all(uncommitted)
    assert testing.sent_messages("replica") == [] and captured() == []


def test_a_row_that_an_uncaptured_update_took_out_of_the_filter_is_not_sent(shelf, uncommitted):
    Box.objects.create(shelf=shelf, label="a")
    Box.objects.update(label="-private")
    drain_all(uncommitted)
    assert testing.sent_messages("replica") == [] and captured() == []


def test_a_sync_for_a_queue_that_does_not_get_the_model_is_refused(shelf, uncommitted, configure):
    configure(master={"replicas": {"shop": ["author"], "search": ["shelf"]}})
    for queue in ("shop", "nowhere"):
        with pytest.raises(SettingRefused, match="does not get 'shelf'"), transaction.atomic(using=uncommitted):
            shelf.cqrs_sync(queue=queue)
    assert captured() == []
