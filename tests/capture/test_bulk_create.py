"""cqrs.bulk_create and call_post_bulk_create."""

import uuid

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from celery_cqrs import signals
from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.models import Outbox
from tests.app.models import Author, Box, Product, Recipe, Shelf
from tests.capture.conftest import captured, carry_to_replica, outbox_inserts, previous_values


def authors(count):
    return [Author(name=f"n{number}") for number in range(count)]


def test_rows_created_in_bulk_are_captured_one_by_one(uncommitted):
    created = Author.cqrs.bulk_create(authors(7))
    assert captured() == [("SAVE", "author", str(one.pk), 0) for one in created]


def test_rows_given_as_a_generator_are_captured(uncommitted):
    Author.cqrs.bulk_create(Author(name=name) for name in "ab")
    assert len(captured()) == 2


def test_rows_with_keys_of_their_own_are_captured_in_bulk(uncommitted):
    keys = [uuid.uuid4() for _ in range(3)]
    Shelf.cqrs.bulk_create([Shelf(id=key, label="x") for key in keys])
    assert [row[2] for row in captured()] == [str(key) for key in keys]


def test_creating_nothing_in_bulk_captures_nothing(uncommitted):
    assert Author.cqrs.bulk_create([]) == [] and captured() == []


def test_rows_created_through_a_queryset_of_the_manager_are_captured(uncommitted):
    Author.cqrs.all().bulk_create(authors(2))
    Author.cqrs.using(uncommitted).filter(name="x").bulk_create(authors(1))
    assert len(captured()) == 3


def test_rows_created_in_bulk_asynchronously_are_captured(uncommitted):
    async def story():
        await Author.cqrs.abulk_create(authors(2))
        await Author.cqrs.all().abulk_create(authors(1))

    async_to_sync(story)()
    assert len(captured()) == 3


def test_plain_bulk_create_is_not_captured(uncommitted):
    Author.objects.bulk_create(authors(2))
    assert captured() == []


@pytest.mark.parametrize(
    "options",
    [{"ignore_conflicts": True}, {"update_conflicts": True, "update_fields": ["name"], "unique_fields": ["id"]}],
    ids=["ignore", "update"],
)
def test_conflict_options_are_refused_before_anything_is_written(uncommitted, options):
    with pytest.raises(ModelRefused, match="conflict options"):
        Author.cqrs.bulk_create(authors(2), **options)
    assert not Author.objects.exists()


def test_a_conflict_option_given_by_position_is_refused_as_well(uncommitted):
    with pytest.raises(ModelRefused, match="conflict options"):
        Author.cqrs.bulk_create(authors(2), None, True)


def test_a_batch_size_is_taken_as_usual(uncommitted):
    Author.cqrs.bulk_create(authors(5), batch_size=2)
    Author.cqrs.bulk_create(authors(5), 2)
    assert len(captured()) == 10


@pytest.mark.parametrize(("queues", "statements"), [(1, 2), (2, 3), (3, 4)])
def test_outbox_rows_of_a_bulk_are_written_five_hundred_at_a_time(uncommitted, configure, queues, statements):
    configure(master={"replicas": {f"q{number}": ["author"] for number in range(queues)}})
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        Author.cqrs.bulk_create(authors(601))
    assert outbox_inserts(queries) == statements
    assert Outbox.objects.count() == 601 * queues


def test_a_bulk_that_fails_leaves_neither_rows_nor_captures(uncommitted):
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"), transaction.atomic(using=uncommitted):
        Product.cqrs.bulk_create([Product(sku="a", title="x"), Product(sku="a", title="y")])
    assert captured() == [] and not Product.objects.exists()


def test_the_filter_is_asked_for_every_row_of_a_bulk(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.cqrs.bulk_create([Box(shelf=shelf, label=label) for label in ("a", "-b", "c")])
    assert len([row for row in captured() if row[1] == "box"]) == 2


def test_creations_in_bulk_carry_previous_values_when_tracked(uncommitted):
    Author.cqrs.bulk_create([Author(name="Ann"), Author(name="Bea")])
    assert previous_values() == [{"name": None}, {"name": None}]


def test_creations_in_bulk_carry_meta_when_there_is_any(uncommitted):
    Recipe.cqrs.bulk_create([Recipe(title="soup"), Recipe(title="bread")])
    assert list(Outbox.objects.values_list("meta", flat=True)) == [{"kind": "SAVE"}] * 2


def test_a_bulk_is_announced_with_its_instances(uncommitted):
    heard = []

    def listen(sender, instances, using, **_):
        heard.append((sender, list(instances), using))

    signals.post_bulk_create.connect(listen)
    try:
        created = Author.cqrs.bulk_create(authors(2))
    finally:
        signals.post_bulk_create.disconnect(listen)
    assert heard == [(Author, created, uncommitted)]


def test_rows_created_by_other_means_can_be_announced_by_hand(uncommitted):
    created = Author.objects.bulk_create(authors(3))
    Author.call_post_bulk_create(created)
    assert captured() == [("SAVE", "author", str(one.pk), 0) for one in created]


def test_rows_announced_by_hand_on_a_named_database_are_captured_there(uncommitted):
    created = Author.objects.bulk_create(authors(2))
    Author.call_post_bulk_create(created, using=uncommitted)
    assert len(captured()) == 2


def test_announcing_no_rows_by_hand_does_nothing(uncommitted):
    Author.call_post_bulk_create([])
    assert captured() == []


def test_rows_created_in_bulk_can_be_saved_afterwards(uncommitted):
    author, _ = Author.cqrs.bulk_create(authors(2))
    author.name = "Bea"
    author.save()
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 1)
    carry_to_replica(uncommitted)
    assert not Outbox.objects.exists()
