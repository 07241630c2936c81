"""Proxies travel as their model; in multi-table inheritance every registered model of the row travels."""

import pytest

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from tests.app.models import Animal, AnimalProxy, AnimalRef, Dog, DogRef
from tests.capture.conftest import captured, carry_to_replica, forget_captured, graves, stored_revision


@pytest.fixture
def dog(uncommitted):
    made = Dog.objects.create(name="Rex", tricks=3)
    forget_captured()
    return made


def kinds_and_ids():
    return sorted((kind, cqrs_id) for kind, cqrs_id, _, _ in captured())


def test_a_row_saved_through_a_proxy_is_captured_as_its_model(uncommitted):
    animal = AnimalProxy.objects.create(name="Tom")
    assert ("SAVE", "animal", str(animal.pk), 0) in captured()


def test_a_row_deleted_through_a_proxy_is_captured_as_its_model(uncommitted):
    animal = AnimalProxy.objects.create(name="Tom")
    forget_captured()
    AnimalProxy.objects.all().delete()
    assert captured() == [("DELETE", "animal", str(animal.pk), 1)]


def test_an_instance_deleted_through_a_proxy_is_captured_once(uncommitted):
    animal = AnimalProxy.objects.create(name="Tom")
    forget_captured()
    key = str(animal.pk)
    animal.delete()
    assert captured() == [("DELETE", "animal", key, 1)] and graves() == {("animal", key): 1}


def test_a_created_child_is_captured_for_itself_and_its_parent(uncommitted):
    Dog.objects.create(name="Rex", tricks=3)
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]


def test_a_saved_child_is_captured_for_itself_and_its_parent(dog):
    dog.save()
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]
    assert dog.cqrs_revision == stored_revision(dog) == 1


def test_a_saved_parent_is_captured_for_its_child_too(dog):
    Animal.objects.get().save()
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]


def test_a_child_saved_through_the_proxy_of_its_parent_is_captured(dog):
    AnimalProxy.objects.get().save()
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]


def test_a_change_of_the_parent_reaches_the_replica_of_the_child(dog, uncommitted):
    animal = Animal.objects.get()
    animal.name = "Max"
    animal.save()
    carry_to_replica(uncommitted)
    assert DogRef.objects.get().name == "Max"


def test_a_parent_without_a_child_sends_nothing_as_the_child(uncommitted):
    Animal.objects.create(name="Tom").save()
    carry_to_replica(uncommitted)
    assert AnimalRef.objects.count() == 1 and not DogRef.objects.exists()


@pytest.mark.parametrize("model", [Dog, Animal, AnimalProxy])
def test_a_deletion_sends_one_message_for_the_child_and_one_for_its_parent(dog, model, uncommitted):
    model.objects.all().delete()
    drain_all(uncommitted)
    sent = [(message["signal_type"], message["cqrs_id"]) for message in testing.sent_messages("replica")]
    assert sorted(sent) == [("DELETE", "animal"), ("DELETE", "dog")]


def test_an_instance_deletion_is_captured_for_the_child_and_its_parent(dog):
    key = str(dog.pk)
    dog.delete()
    assert graves() == {("animal", key): 1, ("dog", key): 1}


def test_a_child_deleted_alone_leaves_its_parent_on_the_replica(dog, uncommitted):
    dog.save()
    carry_to_replica(uncommitted)
    dog.delete(keep_parents=True)
    carry_to_replica(uncommitted)
    assert AnimalRef.objects.count() == 1 and not DogRef.objects.exists()


def test_a_parent_saved_after_its_child_was_deleted_alone_does_not_bring_it_back(dog, uncommitted):
    dog.delete(keep_parents=True)
    Animal.objects.get().save()
    carry_to_replica(uncommitted)
    assert AnimalRef.objects.count() == 1 and not DogRef.objects.exists()


def test_a_child_added_again_to_its_parent_reaches_the_replica(dog, uncommitted):
    key = dog.pk
    carry_to_replica(uncommitted)
    dog.delete(keep_parents=True)
    animal = Animal.objects.get()
    Dog(pk=key, animal_ptr=animal, name="Rex", tricks=5).save()
    carry_to_replica(uncommitted)
    assert DogRef.objects.get().tricks == 5


def test_a_child_re_created_continues_above_both_deletions(dog):
    key = dog.pk
    dog.delete()
    again = Dog.objects.create(pk=key, name="Rex", tricks=3)
    assert again.cqrs_revision == stored_revision(again) == 2


def test_a_child_re_created_reaches_both_replicas(dog, uncommitted):
    key = dog.pk
    dog.save()
    carry_to_replica(uncommitted)
    dog.delete()
    carry_to_replica(uncommitted)
    Dog.objects.create(pk=key, name="Max", tricks=1)
    carry_to_replica(uncommitted)
    assert DogRef.objects.get().name == AnimalRef.objects.get().name == "Max"


def test_update_or_create_of_a_child_is_captured(dog):
    Dog.objects.update_or_create(name="Rex", defaults={"tricks": 4})
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]


def test_chosen_fields_of_a_child_are_captured_unless_the_save_refuses(dog):
    dog.save(update_fields=["tricks"], update_cqrs_fields=False)
    assert captured() == [] and stored_revision(dog) == 0
    dog.save(update_fields=["tricks"])
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")] and stored_revision(dog) == 1


def test_a_child_updated_in_bulk_is_captured_with_its_parent(dog):
    assert Dog.cqrs.bulk_update(Dog.objects.all(), tricks=4) == 1
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]
    assert stored_revision(dog) == 1


def test_a_parent_updated_in_bulk_is_captured_with_its_child(dog):
    Animal.cqrs.bulk_update(Animal.objects.all(), name="Max")
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]


def test_a_child_loaded_in_part_is_captured_when_saved(dog):
    part = Dog.objects.only("tricks").get()
    part.tricks = 7
    part.save()
    assert kinds_and_ids() == [("SAVE", "animal"), ("SAVE", "dog")]
    assert part.cqrs_revision == stored_revision(dog) == 1
