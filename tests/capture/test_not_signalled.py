"""What Django does not signal is not captured: each way that the documentation lists, and how it is made up for."""

import pytest
from django.db import connections

from tests.app.masters import Category, Remark, Tag
from tests.app.models import Author, AuthorRef
from tests.capture.conftest import captured, carry_to_replica, forget_captured


def update(author, using):
    Author.objects.update(name="Bea")


def update_in_bulk(author, using):
    author.name = "Bea"
    Author.objects.bulk_update([author], ["name"])


def write_by_hand(author, using):
    with connections[using].cursor() as cursor:
        cursor.execute("UPDATE app_author SET name = 'Bea' WHERE id = %s", [author.pk])


def save_chosen_fields(author, using):
    author.name = "Bea"
    author.save(update_fields=["name"])


@pytest.mark.parametrize("change", [update, update_in_bulk, write_by_hand, save_chosen_fields])
def test_a_change_by_other_means_waits_for_the_next_captured_one(uncommitted, change):
    author = Author.objects.create(name="Ann")
    carry_to_replica(uncommitted)
    change(author, uncommitted)
    assert captured() == []
    Author.call_post_update([author])
    assert author.cqrs_sync() is True
    carry_to_replica(uncommitted)
    assert AuthorRef.objects.get().name == "Bea"


def test_references_that_a_deletion_sets_to_null_are_not_captured(uncommitted):
    first = Author.objects.create(name="Ann")
    second = Author.objects.create(name="Bea", rival=first)
    forget_captured()
    first.delete()
    second.refresh_from_db()
    assert second.rival is None and [kind for kind, *_ in captured()] == ["DELETE"]


@pytest.mark.parametrize("way", ["add", "set", "remove", "clear"])
def test_references_set_from_the_other_side_are_not_captured(uncommitted, way):
    first, second = Author.objects.create(name="Ann"), Author.objects.create(name="Bea")
    if way in ("remove", "clear"):
        first.author_set.add(second)
    forget_captured()
    {
        "add": lambda: first.author_set.add(second),
        "set": lambda: first.author_set.set([second]),
        "remove": lambda: first.author_set.remove(second),
        "clear": lambda: first.author_set.clear(),
    }[way]()
    assert captured() == []


def test_references_saved_one_by_one_from_the_other_side_are_captured(uncommitted):
    first, second = Author.objects.create(name="Ann"), Author.objects.create(name="Bea")
    forget_captured()
    first.author_set.add(second, bulk=False)
    assert [(kind, pk) for kind, _, pk, _ in captured()] == [("SAVE", str(second.pk))]


def test_many_to_many_changes_are_not_captured(uncommitted):
    remark, tag = Remark.objects.create(), Tag.objects.create(word="loud")
    forget_captured()
    remark.tags.add(tag)
    remark.tags.clear()
    assert captured() == []


def test_the_neighbours_that_a_tree_renumbers_are_not_captured(uncommitted):
    root = Category.objects.create(name="a")
    forget_captured()
    Category.objects.create(name="b", parent=root)
    assert [cqrs_id for _, cqrs_id, *_ in captured()] == ["category"]
    assert Category.objects.get(name="a").rght == 4
