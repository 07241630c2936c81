"""Deletions: at the database's revision + 1, each once, children before parents."""

import pytest
from django.db import transaction

from celery_cqrs.models import Letter, Outbox
from tests.app.models import Author, Beacon, Box, BoxRef, Plate, Product, Recipe, Shelf, ShelfRef, Step
from tests.capture.conftest import captured, carry_to_replica, forget_captured, graves


@pytest.fixture
def author(uncommitted):
    made = Author.objects.create(name="Ann")
    forget_captured()
    return made


def test_a_deletion_is_captured_one_revision_above_the_row(author):
    key = str(author.pk)
    author.delete()
    assert captured() == [("DELETE", "author", key, 1)]


def test_a_stale_instance_is_deleted_at_the_revision_of_the_database(author):
    stale = Author.objects.get()
    for _ in range(3):
        author.save()
    forget_captured()
    stale.delete()
    assert captured() == [("DELETE", "author", str(author.pk), 4)]


def test_an_instance_changed_in_memory_is_deleted_at_the_revision_of_the_database(author):
    key = str(author.pk)
    author.cqrs_revision = 70
    author.delete()
    assert captured() == [("DELETE", "author", key, 1)]


def test_a_row_that_somebody_else_has_deleted_is_not_captured_again(author):
    stale = Author.objects.get()
    author.delete()
    stale.delete()
    assert [row[0] for row in captured()] == ["DELETE"]


def test_a_queryset_deletes_and_captures_each_of_its_rows(author):
    others = Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(5)])
    forget_captured()
    Author.objects.exclude(pk=author.pk).delete()
    assert captured() == [("DELETE", "author", str(one.pk), 1) for one in others]


def test_a_model_without_relations_is_not_deleted_behind_our_back(uncommitted):
    beacon = Beacon.objects.create(text="fire")
    Beacon.objects.all().delete()
    assert captured()[-1] == ("DELETE", "beacon", str(beacon.pk), 1)


def test_a_cascade_is_captured_children_before_their_parent(uncommitted):
    shelf = Shelf.objects.create(label="top")
    boxes = [Box.objects.create(shelf=shelf, label=label) for label in "ab"]
    plate = Plate.objects.create(shelf=shelf)
    forget_captured()
    key = str(shelf.pk)
    children = {("box", str(box.pk)) for box in boxes} | {("plate", str(plate.pk))}
    shelf.delete()
    deleted = [(cqrs_id, pk) for kind, cqrs_id, pk, _ in captured() if kind == "DELETE"]
    assert deleted[-1] == ("shelf", key) and set(deleted[:-1]) == children


def test_rows_of_other_models_in_a_cascade_are_left_alone(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    Step.objects.create(recipe=recipe, text="boil")
    forget_captured()
    key = str(recipe.pk)
    recipe.delete()
    assert captured() == [("DELETE", "recipe", key, 1)] and not Step.objects.exists()


def test_custom_data_of_a_deletion_is_kept_with_it(uncommitted):
    Recipe.objects.create(title="soup").delete()
    assert Outbox.objects.get(signal_type="DELETE").custom == {"title": "soup"}


def test_a_deletion_is_remembered_at_its_revision(author):
    key = str(author.pk)
    author.save()
    author.delete()
    assert graves() == {("author", key): 2}


def test_a_deletion_that_is_rolled_back_is_neither_captured_nor_remembered(author, uncommitted):
    with transaction.atomic(using=uncommitted):
        author.delete()
        transaction.set_rollback(True, using=uncommitted)
    assert captured() == [] and graves() == {}


def test_a_deletion_without_replicas_is_remembered_all_the_same(author, configure):
    configure(master={"replicas": {}})
    key = str(author.pk)
    author.delete()
    assert captured() == [] and graves() == {("author", key): 1}


def test_a_key_that_is_a_foreign_key_is_deleted_by_its_value(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Plate.objects.create(shelf=shelf).delete()
    assert captured()[-1] == ("DELETE", "plate", str(shelf.pk), 1)


def test_a_row_that_the_default_manager_hides_is_captured_when_deleted(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Plate(shelf=shelf, is_hidden=True).save()
    Plate._base_manager.get().delete()
    assert captured()[-1] == ("DELETE", "plate", str(shelf.pk), 1)


def test_text_keys_of_any_script_are_deleted_and_remembered(uncommitted):
    for key in ("ß", "🗻", "مرحبا", "a'b\"c%s"):
        Product.objects.create(sku=key, title="x").delete()
    assert graves() == {("product", key): 1 for key in ("ß", "🗻", "مرحبا", "a'b\"c%s")}


def test_a_large_cascade_reaches_the_replica_row_by_row(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.cqrs.bulk_create([Box(shelf=shelf, label=str(number)) for number in range(40)])
    carry_to_replica(uncommitted)
    Shelf.objects.all().delete()
    carry_to_replica(uncommitted)
    assert not ShelfRef.objects.exists() and not Outbox.objects.exists()


def test_a_cascade_in_the_transaction_that_saved_the_parent_reaches_the_replica(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.objects.create(shelf=shelf, label="a")
    carry_to_replica(uncommitted)
    with transaction.atomic(using=uncommitted):
        shelf.save()
        Box.objects.get().save()
        shelf.delete()
    carry_to_replica(uncommitted)
    assert not BoxRef.objects.exists() and not ShelfRef.objects.exists() and not Letter.objects.exists()
