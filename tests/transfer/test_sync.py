"""``cqrs_sync``: rows of a table are sent again, page by page, to all replicas or to one, and can be gone on with."""

from __future__ import annotations

import uuid

import pytest
from django.db.models import Q

from celery_cqrs import signals
from celery_cqrs.master import capture
from celery_cqrs.models import Outbox
from celery_cqrs.positions import Position
from tests.app.models import Author, AuthorRef, Box, Dog, Plate, Product, Recipe, Shelf, Specimen
from tests.capture.conftest import carry_to_replica, forget_captured
from tests.conftest import on_sqlite
from tests.transfer.dumps import Ran, make_authors, run

ALL = ("--filter", "{}")
ROW = (
    "queue",
    "cqrs_id",
    "pk_text",
    "signal_type",
    "revision",
    "previous_data",
    "custom",
    "meta",
    "direct",
    "attempts",
)


def sync(cqrs_id: str = "author", *arguments: object) -> Ran:
    return run("cqrs_sync", "--cqrs-id", cqrs_id, *(arguments or ALL))


def outbox() -> list[tuple[object, ...]]:
    return sorted(Outbox.objects.values_list(*ROW), key=repr)


@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_every_row_of_a_table_is_sent_again(database, batch):
    make_authors(5)
    ran = sync("author", *ALL, "--batch", batch)
    assert (ran.output, ran.error) == ("Done!\n5 instance(s) synced.\n5 instance(s) processed.\n", "")
    carry_to_replica(database)
    assert set(AuthorRef.objects.values_list("pk", "name", "cqrs_revision")) == set(
        Author.objects.values_list("pk", "name", "cqrs_revision")
    )
    assert not Outbox.objects.exists() and not Position.objects.exists()


def make_one_of_each() -> None:
    """A row of every kind of key, and of what has a say at its capture."""
    shelf = Shelf.objects.create(label="x")
    Plate.objects.create(shelf=shelf, is_hidden=True)
    Product.objects.create(sku="a'ü%s", title="x", price=1)
    Box.objects.create(shelf=shelf, label="seen")
    Box.objects.create(shelf=shelf, label="-hidden")
    Recipe.objects.create(title="soup")
    Dog.objects.create(name="Rex", tricks=1)
    Specimen.objects.create(line="x")
    make_authors(3)


@pytest.mark.parametrize(
    "model", [Author, Shelf, Plate, Product, Box, Recipe, Dog, Specimen], ids=lambda one: one.__name__
)
def test_rows_are_captured_as_instances_would_be(uncommitted, model, configure):
    configure(master={"replicas": {"replica": "__all__", "search": "__all__"}})
    make_one_of_each()
    forget_captured()
    for instance in model._base_manager.all():
        capture.capture_syncs_of(model, [instance], uncommitted)
    one_by_one = outbox()
    forget_captured()
    assert sync(model.CQRS_ID).error == ""
    assert outbox() == one_by_one and one_by_one


@pytest.mark.parametrize("count", [200, 900])
def test_a_page_is_captured_without_a_look_at_its_rows_whatever_its_size(uncommitted, count, django_assert_num_queries):
    make_authors(count)
    with django_assert_num_queries(11, using=uncommitted):
        sync()
    sizes = [200] if count == 200 else [500, 400]
    assert list(Outbox.objects.order_by("id").values_list("kind", "size")) == [("bundle", size) for size in sizes]


def test_few_rows_have_a_row_of_the_outbox_each(uncommitted):
    make_authors(40)
    sync()
    assert Outbox.objects.filter(kind="sync", size=1).count() == 40


def test_what_the_filter_of_its_model_leaves_out_is_in_no_bundle(uncommitted, monkeypatch):
    shelf = Shelf.objects.create(label="x")
    labels = ["-" if number % 3 == 0 else "seen" for number in range(300)]
    Box.objects.bulk_create([Box(shelf=shelf, label=label) for label in labels])
    monkeypatch.setattr(Box, "cqrs_sync_filter", classmethod(lambda cls: ~Q(label__startswith="-")))
    forget_captured()
    assert sync("box").output.startswith("Done!\n200 instance(s) synced.\n300 instance(s) processed.")
    assert Outbox.objects.get().size == 200


def test_a_sync_goes_to_one_queue_alone_when_it_is_named(uncommitted, configure):
    configure(master={"replicas": {"replica": "__all__", "search": "__all__"}})
    make_authors(2)
    sync("author", *ALL, "--queue", "search")
    assert set(Outbox.objects.values_list("queue", "direct")) == {("search", True)}


def test_a_filter_chooses_rows_also_by_other_tables_and_each_row_once(uncommitted):
    make_authors(4)
    Author.objects.filter(pk__in=[3, 4]).update(rival=1)
    sync("author", '-f={"id__in": [1, 2]}')
    assert set(Outbox.objects.values_list("pk_text", flat=True)) == {"1", "2"}
    forget_captured()
    assert sync("author", "--filter", '{"author__id__gt": 0}').output.startswith("Done!\n1 instance(s) synced.")
    assert [one.pk_text for one in Outbox.objects.all()] == ["1"]


def test_the_rule_in_sql_keeps_rows_out_without_asking_each(uncommitted, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(Author, "is_sync_instance", lambda self: self.pk > 2)
    monkeypatch.setattr(Author, "cqrs_sync_filter", classmethod(lambda cls: Q(pk__gt=2)))
    make_authors(5)
    assert sync().output == "Done!\n3 instance(s) synced.\n5 instance(s) processed.\n"
    forget_captured()
    monkeypatch.setattr(Author, "CQRS_DELETE_ON_LEAVE", True)
    assert sync().output.startswith("Done!\n5 instance(s) synced.")  # those outside are deleted on the replicas


def test_a_rule_about_many_rows_of_another_table_sends_a_row_once(uncommitted, monkeypatch):
    monkeypatch.setattr(Author, "is_sync_instance", lambda self: self.author_set.exists())
    monkeypatch.setattr(Author, "cqrs_sync_filter", classmethod(lambda cls: Q(author__id__gt=0)))
    make_authors(4)
    Author.objects.filter(pk__in=[3, 4]).update(rival=1)
    assert sync().output.startswith("Done!\n1 instance(s) synced.")
    assert [one.pk_text for one in Outbox.objects.all()] == ["1"]


class Plug:
    """Is pulled at a page."""

    def __init__(self, page: int) -> None:
        self.left = page

    def __call__(self, **_: object) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_a_stopped_sync_goes_on_behind_its_last_page(uncommitted):
    make_authors(7)
    keys = [uuid.uuid4() for _ in range(7)]
    Shelf.objects.bulk_create([Shelf(id=key, label="x") for key in keys])
    for model in (Author, Shelf):
        forget_captured()
        plug = Plug(3)
        signals.captured.connect(plug)
        ran = sync(model.CQRS_ID, *ALL, "--batch", 2)
        signals.captured.disconnect(plug)
        assert (ran.error, ran.code) == ("Stopped. What was captured is sent; add --resume to go on behind it.", 130)
        assert Outbox.objects.count() == 4
        ran = sync(model.CQRS_ID, *ALL, "--resume")
        assert ran.output == "Done!\n3 instance(s) synced.\n3 instance(s) processed.\n"
        assert Outbox.objects.values("pk_text").distinct().count() == 7


@on_sqlite
def test_only_the_same_sync_can_be_resumed(uncommitted):
    make_authors(3)
    plug = Plug(2)
    signals.captured.connect(plug)
    sync("author", *ALL, "--batch", 1)
    signals.captured.disconnect(plug)
    assert sync("author", "--filter", '{"id__gt": 0}', "--resume").error.startswith("There is nothing to resume")
    assert sync("author", *ALL, "--resume").error == ""
    assert sync("author", *ALL, "--resume").error.startswith("There is nothing to resume")


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--filter", "{}", "--queue", "nobody"), "queue 'nobody' does not get 'author'"),
        (("--filter", "nonsense"), "Bad filter kwargs!"),
        (("--filter", "[1]"), "Bad filter kwargs!"),
        (("--filter", '{"nothing": 1}'), "Bad filter kwargs!"),
        (("--filter", '{"id": "x"}'), "Bad filter kwargs!"),
        (("--filter", '{"_connector": "OR"}'), "Bad filter kwargs!"),
        (("--filter", '{"id": 9}'), "No objects found for filter!"),
        (("--batch", "5"), "No objects found for filter! Say which rows: --filter '{}' is all of them."),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(uncommitted, arguments, sentence):
    make_authors(1)
    ran = sync("author", *arguments)
    assert sentence in ran.error and ran.code == 1 and not Outbox.objects.exists()


@on_sqlite
@pytest.mark.parametrize(("flag", "value"), [("--rate", "0"), ("--rate", "nan"), ("--batch", "0"), ("--batch", "x")])
def test_numbers_that_are_none_are_refused(uncommitted, flag, value):
    assert f"argument {flag}" in sync("author", *ALL, flag, value).error


@on_sqlite
def test_unknown_ids_and_models_that_nobody_gets_are_refused(uncommitted, configure):
    assert sync("nobody").error == "Wrong CQRS ID: nobody!"
    configure(master={"replicas": {"replica": ["product"]}})
    assert sync("author").error.startswith("No replica gets 'author'")
