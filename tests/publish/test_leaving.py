"""CQRS_DELETE_ON_LEAVE: a row that stops passing the filter is deleted on the replicas, one that enters is created."""

import pytest

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox, Tombstone
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, Recipe, RecipeDocument
from tests.capture.conftest import captured, carry_to_replica
from tests.publish.conftest import let_pass, pending


@pytest.fixture(autouse=True)
def leaving(uncommitted, monkeypatch):
    """Authors and recipes whose name begins with "-" are for nobody else."""
    for model, name in ((Author, "name"), (Recipe, "title")):
        monkeypatch.setattr(model, "CQRS_DELETE_ON_LEAVE", True)
        monkeypatch.setattr(model, "is_sync_instance", lambda one, name=name: not getattr(one, name).startswith("-"))


@pytest.fixture
def author(uncommitted):
    """An author whom the replica has."""
    made = Author.objects.create(name="Ann")
    carry_to_replica(uncommitted)
    return made


def rename(author, name):
    author.name = name
    author.save()


def sent(using, queue="replica"):
    """What is published now, as (signal type, revision)."""
    drain_all(using)
    return [(told["signal_type"], told["instance_data"]["cqrs_revision"]) for told in testing.sent_messages(queue)]


def replica():
    return list(AuthorRef.objects.order_by("pk").values_list("name", "cqrs_revision"))


def test_a_row_that_leaves_is_deleted_at_its_present_revision(author, uncommitted):
    rename(author, "-Ann")
    assert captured() == [("SAVE", "author", str(author.pk), 1)]
    assert sent(uncommitted) == [("DELETE", 1)]
    testing.deliver()
    assert replica() == [] and Tombstone.objects.get(side=Tombstone.REPLICA).revision == 1


def test_it_says_as_much_as_any_deletion_and_no_previous_values(author, uncommitted, monkeypatch):
    monkeypatch.setattr(Author, "get_custom_cqrs_delete_data", lambda one: {"was": one.pk})
    rename(author, "-Ann")
    drain_all(uncommitted)
    (told,) = testing.sent_messages("replica")
    assert told["instance_data"].keys() == {"id", "cqrs_revision", "cqrs_updated", "custom"}
    assert told["instance_data"]["custom"] == {"was": author.pk} and told["instance_data"]["cqrs_updated"]
    assert told["previous_data"] is None and told["instance_pk"] == author.pk


def test_a_row_that_enters_is_created(uncommitted):
    author = Author.objects.create(name="-Ann")
    carry_to_replica(uncommitted)
    assert replica() == []
    rename(author, "Ann")
    carry_to_replica(uncommitted)
    assert replica() == [("Ann", 1)]


def test_a_row_that_returns_is_newer_than_its_leave_and_tells_what_it_held(author, uncommitted):
    rename(author, "-Ann")
    carry_to_replica(uncommitted)
    rename(author, "Bea")
    drain_all(uncommitted)
    (told,) = testing.sent_messages("replica")
    assert told["previous_data"] == {"name": "-Ann"} and told["instance_data"]["cqrs_revision"] == 2
    testing.deliver()
    assert replica() == [("Bea", 2)]


def test_a_leave_that_arrives_after_the_return_is_skipped(author, uncommitted):
    rename(author, "-Ann")
    drain_all(uncommitted)
    rename(author, "Bea")
    drain_all(uncommitted)
    MemoryTransport.queues["replica"].reverse()
    testing.deliver()
    assert replica() == [("Bea", 2)] and not Outbox.objects.exists()


def test_a_leave_and_a_return_in_one_claim_are_one_save(author, uncommitted):
    rename(author, "-Ann")
    rename(author, "Bea")
    drain_all(uncommitted)
    (told,) = testing.sent_messages("replica")
    assert told["signal_type"] == "SAVE" and told["previous_data"] == {"name": "Ann"}
    testing.deliver()
    assert replica() == [("Bea", 2)]


def test_a_replica_that_never_had_the_row_ignores_its_leave(uncommitted):
    author = Author.objects.create(name="Ann")
    rename(author, "-Ann")
    assert sent(uncommitted) == [("DELETE", 1)]
    testing.deliver()
    assert replica() == [] and not Outbox.objects.exists()


def test_a_bulk_update_lets_rows_leave_and_enter(author, uncommitted):
    Author.objects.create(name="-Bea")
    carry_to_replica(uncommitted)
    Author.cqrs.bulk_update(Author.objects.filter(name="Ann"), name="-Ann")
    Author.cqrs.bulk_update(Author.objects.filter(name="-Bea"), name="Bea")
    carry_to_replica(uncommitted)
    assert replica() == [("Bea", 1)]


def test_rows_created_in_bulk_outside_the_filter_reach_nobody(uncommitted):
    Author.cqrs.bulk_create([Author(name="-Ann"), Author(name="Bea")])
    carry_to_replica(uncommitted)
    assert replica() == [("Bea", 0)]


def test_a_row_leaves_every_queue(author, uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}})
    rename(author, "-Ann")
    assert sent(uncommitted, "shop") == sent(uncommitted, "search") == [("DELETE", 1)]


def test_a_leave_that_is_sent_again_is_decided_again(author, uncommitted):
    rename(author, "-Ann")
    drain_all(uncommitted)
    MemoryTransport.clear()
    rename(author, "Bea")
    Outbox.objects.update(sent_at=None)
    assert sent(uncommitted) == [("SAVE", 2)]


def test_a_deletion_outside_the_filter_is_always_sent(author, uncommitted):
    rename(author, "-Ann")
    author.delete()
    assert sent(uncommitted) == [("DELETE", 2)]
    testing.deliver()
    assert replica() == []


def test_a_new_life_outside_the_filter_deletes_what_is_left_of_the_former(author, uncommitted):
    key = author.pk
    author.delete()
    Author.objects.create(pk=key, name="-Ann")
    assert sent(uncommitted) == [("DELETE", 1), ("DELETE", 2)]
    testing.deliver()
    assert replica() == []


def test_a_sync_of_a_row_outside_the_filter_takes_it_from_the_replica(author, uncommitted):
    Author.objects.update(name="-Ann")
    assert author.cqrs_sync() is True
    assert sent(uncommitted) == [("DELETE", 0)]
    testing.deliver()
    assert replica() == []


def test_a_sync_at_the_revision_of_the_leave_brings_the_row_back(author, uncommitted):
    Author.objects.update(name="-Ann")
    author.cqrs_sync()
    carry_to_replica(uncommitted)
    Author.objects.update(name="Ann")
    author.cqrs_sync()
    carry_to_replica(uncommitted)
    assert replica() == [("Ann", 0)]


def test_a_serializer_is_not_asked_about_a_row_that_leaves(uncommitted, monkeypatch):
    recipe = Recipe.objects.create(title="soup")
    carry_to_replica(uncommitted)
    assert RecipeDocument.objects.exists()
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", "nowhere.Serializer")
    recipe.title = "-soup"
    recipe.save()
    assert sent(uncommitted) == [("DELETE", 1)]
    testing.deliver()
    assert not RecipeDocument.objects.exists()


def test_a_filter_that_fails_sets_its_row_aside_alone(author, uncommitted, monkeypatch):
    monkeypatch.setattr(Author, "is_sync_instance", lambda one: one.name != "Ann" or one.no_such_field)
    rename(author, "Ann")
    Author.objects.create(name="Bea")
    assert sent(uncommitted) == [("SAVE", 0)] and pending() == 1
    assert "no_such_field" in Outbox.objects.get(sent_at=None).error
    Author.objects.filter(name="Ann").update(name="Cleo")
    let_pass(11)
    assert len(sent(uncommitted)) == 2 and pending() == 0
