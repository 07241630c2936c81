"""cqrs.bulk_update and call_post_update."""

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, connections, models, transaction
from django.test.utils import CaptureQueriesContext

from celery_cqrs import signals
from celery_cqrs.models import Outbox
from tests.app.models import Author, AuthorRef, Box, Plate, Product, Shelf
from tests.capture.conftest import captured, carry_to_replica, forget_captured, outbox_inserts, previous_values


@pytest.fixture
def authors(uncommitted):
    made = Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(6)])
    forget_captured()
    return made


def test_rows_updated_in_bulk_are_captured_one_revision_higher(authors):
    assert Author.cqrs.bulk_update(Author.objects.all(), name="x") == 6
    assert captured() == [("SAVE", "author", str(one.pk), 1) for one in authors]
    assert set(Author.objects.values_list("name", "cqrs_revision")) == {("x", 1)}


def test_only_the_chosen_rows_are_updated_and_captured(authors):
    assert Author.cqrs.bulk_update(Author.objects.filter(name__in=["n1", "n4"]), name="x") == 2
    assert [row[2] for row in captured()] == [str(authors[1].pk), str(authors[4].pk)]


def test_rows_that_leave_their_own_filter_by_the_update_are_captured(authors):
    Author.cqrs.bulk_update(Author.objects.filter(name="n1"), name="gone")
    assert captured() == [("SAVE", "author", str(authors[1].pk), 1)]


def test_updating_no_rows_in_bulk_captures_nothing(authors):
    assert Author.cqrs.bulk_update(Author.objects.filter(name="nobody"), name="x") == 0
    assert Author.cqrs.bulk_update(Author.objects.none(), name="x") == 0
    assert captured() == []


def test_a_queryset_may_be_ordered_joined_and_distinct(authors):
    Author.cqrs.bulk_update(Author.objects.filter(name="n1"), rival=authors[0])
    forget_captured()
    rivals = Author.objects.filter(rival__name="n0").distinct().order_by("-name")
    assert Author.cqrs.bulk_update(rivals, name="x") == 1
    assert [row[2] for row in captured()] == [str(authors[1].pk)]


def test_a_value_may_be_an_expression(authors):
    Author.cqrs.bulk_update(Author.objects.filter(name="n1"), name=models.functions.Upper("name"))
    assert Author.objects.filter(name="N1", cqrs_revision=1).count() == 1


def test_the_time_of_change_moves_with_a_bulk_update(authors):
    before = authors[0].cqrs_updated
    Author.cqrs.bulk_update(Author.objects.filter(pk=authors[0].pk), name="x")
    assert Author.objects.get(pk=authors[0].pk).cqrs_updated > before


def test_a_bulk_update_carries_the_previous_values_of_what_has_changed(authors):
    Author.cqrs.bulk_update(Author.objects.filter(name="n1"), name="x", born="1900-01-01")
    Author.cqrs.bulk_update(Author.objects.filter(name="x"), rival=authors[0])
    assert previous_values() == [{"name": "n1"}, {"rival": None}]


def test_a_bulk_update_that_changes_no_tracked_field_carries_none(authors):
    Author.cqrs.bulk_update(Author.objects.filter(name="n1"), name="n1")
    assert previous_values() == [{}]


def test_a_bulk_update_of_an_untracked_model_reads_no_previous_values(uncommitted):
    Product.cqrs.bulk_create([Product(sku="a", title="x")])
    Product.cqrs.bulk_update(Product.objects.all(), title="y")
    assert previous_values() == [None, None]


def test_rows_updated_in_bulk_asynchronously_are_captured(authors):
    assert async_to_sync(Author.cqrs.abulk_update)(Author.objects.all(), name="x") == 6
    assert len(captured()) == 6


def test_rows_that_the_default_manager_hides_are_updated_when_chosen(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Plate(shelf=shelf, is_hidden=False).save()
    forget_captured()
    assert Plate.cqrs.bulk_update(Plate.objects.all(), is_hidden=True) == 1
    assert captured() == [("SAVE", "plate", str(shelf.pk), 1)]


def test_the_filter_is_asked_about_the_updated_rows(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.cqrs.bulk_create([Box(shelf=shelf, label=label) for label in ("a", "b")])
    forget_captured()
    Box.cqrs.bulk_update(Box.objects.filter(label="a"), label="-a")
    assert captured() == [] and Box.objects.get(label="-a").cqrs_revision == 1


@pytest.mark.parametrize(("rows", "statements", "outbox_rows"), [(199, 1, 199), (500, 1, 1), (501, 2, 2)])
def test_captures_of_a_bulk_update_are_written_five_hundred_at_a_time(uncommitted, rows, statements, outbox_rows):
    """From 200 on those that carry nothing but their keys share a row of the outbox."""
    Product.objects.bulk_create([Product(sku=str(number), title="x") for number in range(rows)])
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        assert Product.cqrs.bulk_update(Product.objects.all(), title="y") == rows
    assert outbox_inserts(queries) == statements and Outbox.objects.count() == outbox_rows
    assert Outbox.objects.aggregate(changes=models.Sum("size"))["changes"] == rows


def test_a_plain_update_is_not_captured(authors):
    Author.objects.update(name="x")
    assert captured() == []


def test_what_a_plain_update_did_travels_with_the_next_bulk_update(authors, uncommitted):
    Author.objects.update(born="1900-01-01")
    Author.cqrs.bulk_update(Author.objects.all())
    carry_to_replica(uncommitted)
    assert AuthorRef.objects.filter(born="1900-01-01", cqrs_revision=1).count() == 6


def test_rows_updated_by_other_means_can_be_announced_by_hand(authors):
    Author.objects.update(name="x", cqrs_revision=models.F("cqrs_revision") + 1)
    Author.call_post_update(list(Author.objects.order_by("pk")))
    assert captured() == [("SAVE", "author", str(one.pk), 1) for one in authors]


def test_a_bulk_update_is_announced_with_its_instances(authors):
    heard = []

    def listen(sender, instances, using, **_):
        heard.append([one.name for one in instances])

    signals.post_update.connect(listen)
    try:
        Author.cqrs.bulk_update(Author.objects.filter(name="n1"), name="x")
    finally:
        signals.post_update.disconnect(listen)
    assert heard == [["x"]]


def test_a_bulk_update_that_fails_changes_and_captures_nothing(uncommitted):
    Product.cqrs.bulk_create([Product(sku=sku, title="x") for sku in "ab"])
    forget_captured()
    with pytest.raises(IntegrityError), transaction.atomic(using=uncommitted):
        Product.cqrs.bulk_update(Product.objects.all(), title=None)
    assert captured() == [] and Product.objects.filter(title="x", cqrs_revision=0).count() == 2
