"""loaddata and deserialized objects, which never pass through save()."""

import json

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import IntegrityError

from tests.app.models import Animal, AnimalRef, Author, AuthorRef, Dog, DogRef
from tests.capture.conftest import captured, carry_to_replica, forget_captured, stored_revision


def load(objects):
    """Save deserialized copies of ``objects``, one by one."""
    for one in serializers.deserialize("json", serializers.serialize("json", objects)):
        one.save()


def test_a_new_row_from_a_fixture_is_captured(uncommitted):
    author = Author.objects.create(name="Ann")
    Author.objects.all()._raw_delete(uncommitted)
    forget_captured()
    load([author])
    assert captured() == [("SAVE", "author", str(author.pk), 0)]


def test_an_old_fixture_lifts_the_revision_of_a_stored_row(uncommitted):
    author = Author.objects.create(name="Ann")
    old = Author.objects.get()
    for _ in range(3):
        author.save()
    load([old])
    assert stored_revision(author) == 4
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 4)


def test_a_fixture_from_the_future_is_lifted_above_itself(uncommitted):
    author = Author.objects.create(name="Ann")
    author.cqrs_revision = 40
    load([author])
    assert stored_revision(author) == 41


def test_the_content_of_a_fixture_reaches_the_replica_over_newer_content(uncommitted):
    author = Author.objects.create(name="from the fixture")
    old = Author.objects.get()
    author.name = "newer"
    author.save()
    carry_to_replica(uncommitted)
    load([old])
    carry_to_replica(uncommitted)
    assert AuthorRef.objects.get().name == "from the fixture"


def test_a_row_changed_by_a_fixture_can_be_saved_as_usual_afterwards(uncommitted):
    author = Author.objects.create(name="Ann")
    load([author])
    author.save()
    assert author.cqrs_revision == stored_revision(author) == 2


def test_a_fixture_that_does_not_know_our_columns_can_be_loaded(uncommitted):
    row = {"model": "app.author", "pk": 5, "fields": {"name": "Ann", "born": None, "rival": None}}
    for one in serializers.deserialize("json", json.dumps([row])):
        one.save()
    assert captured() == [("SAVE", "author", "5", 0)]


@pytest.mark.parametrize("exists", [False, True], ids=["new", "known"])
def test_a_child_row_from_a_fixture_reaches_the_replica_whole(uncommitted, exists):
    dog = Dog.objects.create(name="Rex", tricks=3)
    fixture = serializers.serialize("json", [*Animal.objects.all(), *Dog.objects.all()])
    if exists:
        carry_to_replica(uncommitted)
        Dog.objects.filter(pk=dog.pk).update(tricks=0)
    else:
        Dog.objects.all()._raw_delete(uncommitted)
        Animal.objects.all()._raw_delete(uncommitted)
        forget_captured()
    for one in serializers.deserialize("json", fixture.replace('"tricks": 3', '"tricks": 9')):
        one.save()
        carry_to_replica(uncommitted)
    assert (DogRef.objects.get().name, DogRef.objects.get().tricks) == ("Rex", 9)
    assert AnimalRef.objects.get().name == "Rex"


def test_loaddata_captures_every_row_of_its_file(database, tmp_path):
    Author.cqrs.bulk_create([Author(pk=pk, name=f"n{pk}") for pk in (1, 2, 3)])
    path = tmp_path / "authors.json"
    path.write_text(serializers.serialize("json", Author.objects.order_by("pk")))
    forget_captured()
    call_command("loaddata", str(path), database=database, verbosity=0)
    assert captured() == [("SAVE", "author", str(pk), 1) for pk in (1, 2, 3)]


def test_loaddata_that_fails_captures_nothing(database, tmp_path):
    good = {"model": "app.author", "pk": 1, "fields": {"name": "Ann", "cqrs_updated": "2020-01-01T00:00:00Z"}}
    bad = {**good, "pk": 2, "fields": {**good["fields"], "rival": 99}}
    path = tmp_path / "authors.json"
    path.write_text(json.dumps([good, bad]))
    with pytest.raises(IntegrityError):
        call_command("loaddata", str(path), database=database, verbosity=0)
    assert captured() == [] and not Author.objects.exists()
