"""Saves of single rows, in every way in which Django saves one."""

import uuid

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, models, transaction

from celery_cqrs import signals
from celery_cqrs.models import Outbox
from celery_cqrs.serialize import key_text
from tests.app.models import Author, Beacon, Plate, PlateRef, Product, Recipe, Shelf, Step
from tests.capture.conftest import captured, carry_to_replica, forget_captured, stored_revision


def test_a_created_row_is_captured_as_a_save_at_revision_zero(uncommitted):
    author = Author.objects.create(name="Ann")
    assert captured() == [("SAVE", "author", str(author.pk), 0)]


def test_an_update_is_captured_one_revision_higher(uncommitted):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    author.save()
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 1)


def test_every_update_raises_the_revision_even_if_nothing_has_changed(uncommitted):
    author = Author.objects.create(name="Ann")
    for _ in range(3):
        author.save()
    assert stored_revision(author) == 3


def test_the_revision_attribute_is_an_int_after_every_save(uncommitted):
    author = Author(name="Ann")
    seen = []
    for _ in range(3):
        author.save()
        seen.append(author.cqrs_revision)
    assert seen == [0, 1, 2] and all(type(revision) is int for revision in seen)


def test_a_stale_instance_gets_the_revision_of_the_database(uncommitted):
    author = Author.objects.create(name="Ann")
    stale = Author.objects.get()
    for _ in range(3):
        author.save()
    stale.save()
    assert stale.cqrs_revision == stored_revision(author) == 4


def test_a_copy_made_by_clearing_the_key_is_captured_under_its_own_key(uncommitted):
    author = Author.objects.create(name="Ann")
    original = author.pk
    forget_captured()
    author.pk = None
    author._state.adding = True
    author.save()
    assert author.pk != original
    assert captured() == [("SAVE", "author", str(author.pk), stored_revision(author))]
    assert author.cqrs_revision == stored_revision(author)


def test_the_short_copy_idiom_of_clearing_only_the_key_works(uncommitted):
    author = Author.objects.create(name="Ann")
    author.pk = None
    author.save()
    carry_to_replica(uncommitted)
    assert Author.objects.count() == 2 and not Outbox.objects.exists()


def test_a_text_key_that_the_application_chose_is_captured(uncommitted):
    Product.objects.create(sku="Ä/1 ☂", title="umbrella")
    assert captured() == [("SAVE", "product", "Ä/1 ☂", 0)]


def test_a_text_key_given_as_a_number_is_captured_as_its_text(uncommitted):
    Product.objects.create(sku=17, title="seventeen")
    assert captured() == [("SAVE", "product", "17", 0)]


def test_an_integer_key_given_as_text_is_captured_as_the_number(uncommitted):
    Author(pk="0042", name="Ann").save()
    assert captured() == [("SAVE", "author", "42", 0)]


def test_a_uuid_key_is_captured_in_its_usual_spelling(uncommitted):
    key = uuid.uuid4()
    Shelf(id=key.hex.upper(), label="top").save()
    assert captured() == [("SAVE", "shelf", str(key), 0)]


def test_a_key_that_is_a_foreign_key_is_captured_by_its_value(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Plate.objects.create(shelf=shelf)
    carry_to_replica(uncommitted)
    assert PlateRef.objects.get().pk == shelf.pk


def test_get_or_create_captures_the_creation_and_not_the_look_up(uncommitted):
    for _ in range(2):
        Author.objects.get_or_create(name="Ann")
    assert [row[0] for row in captured()] == ["SAVE"]


def test_update_or_create_captures_the_creation_and_the_update(uncommitted):
    for born in ("1900-01-01", "1901-01-01"):
        Author.objects.update_or_create(name="Ann", defaults={"born": born})
    assert [(kind, revision) for kind, _, _, revision in captured()] == [("SAVE", 0), ("SAVE", 1)]


def test_the_asynchronous_calls_are_captured_like_the_others(uncommitted):
    async def story():
        author = await Author.objects.acreate(name="Ann")
        author.name = "Bea"
        await author.asave()
        await author.adelete()

    async_to_sync(story)()
    assert [(kind, revision) for kind, _, _, revision in captured()] == [("SAVE", 0), ("SAVE", 1), ("DELETE", 2)]


def test_an_asynchronous_save_of_chosen_fields_can_ask_to_be_captured(uncommitted):
    author = Author.objects.create(name="Ann")
    async_to_sync(author.asave)(update_fields=["name"], update_cqrs_fields=True)
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 1)


@pytest.mark.parametrize(
    "loaded",
    [
        Author.objects.only("name"),
        Author.objects.only("cqrs_updated"),
        Author.objects.defer("cqrs_revision"),
        Author.objects.defer("cqrs_revision", "cqrs_updated", "born"),
    ],
    ids=["only the name", "only the time", "without the revision", "without either"],
)
def test_a_row_loaded_in_part_is_captured_when_saved(uncommitted, loaded):
    author = Author.objects.create(name="Ann", born="1900-01-01")
    author.save()
    part = loaded.all().get()
    part.name = "Bea"
    part.save()
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 2)
    assert part.cqrs_revision == stored_revision(author) == 2


def test_a_row_loaded_in_part_keeps_its_unloaded_fields_when_saved(uncommitted):
    Author.objects.create(name="Ann", born="1900-01-01")
    part = Author.objects.only("name").get()
    part.name = "Bea"
    part.save()
    assert str(Author.objects.get().born) == "1900-01-01"


def test_saving_an_instance_whose_row_has_vanished_inserts_and_captures_it(uncommitted):
    author = Author.objects.create(name="Ann")
    Author.objects.all()._raw_delete(uncommitted)
    author.save()
    assert captured()[-1] == ("SAVE", "author", str(author.pk), stored_revision(author))


def test_a_save_that_fails_captures_nothing(uncommitted):
    Product.objects.create(sku="a", title="first")
    forget_captured()
    with pytest.raises(IntegrityError), transaction.atomic(using=uncommitted):
        Product(sku="a", title="second").save(force_insert=True)
    assert captured() == []


def test_a_row_is_written_for_each_queue_that_asked_for_the_model(uncommitted, configure):
    configure(master={"replicas": {"shop": ["author", "product"], "search": ["author"], "all": "__all__"}})
    Author.objects.create(name="Ann")
    Product.objects.create(sku="a", title="first")
    assert sorted(Outbox.objects.values_list("queue", "cqrs_id")) == [
        ("all", "author"),
        ("all", "product"),
        ("search", "author"),
        ("shop", "author"),
        ("shop", "product"),
    ]


def test_without_replicas_nothing_is_captured_but_the_revision_counts(uncommitted, configure):
    configure(master={"replicas": {}})
    author = Author.objects.create(name="Ann")
    author.save()
    assert captured() == []
    assert author.cqrs_revision == stored_revision(author) == 1


def test_models_that_are_no_masters_are_left_alone(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    forget_captured()
    Step.objects.create(recipe=recipe, text="boil")
    assert captured() == []


def test_a_save_that_changes_the_key_captures_the_new_row(uncommitted):
    product = Product.objects.create(sku="old", title="same")
    forget_captured()
    product.sku = "new"
    product.save()
    assert [row[:3] for row in captured()] == [("SAVE", "product", "new")]


def test_a_field_set_to_an_expression_is_captured_with_the_value_it_got(uncommitted):
    product = Product.objects.create(sku="a", title="first", price=1)
    product.price = models.F("price") + 1
    product.save()
    carry_to_replica(uncommitted)
    assert not Outbox.objects.exists()
    product.refresh_from_db()
    assert product.price == 2


def test_a_captured_change_is_announced_with_keys_and_queues(uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}})
    heard = []

    def listen(**facts):
        heard.append((facts["cqrs_id"], str(facts["signal_type"]), facts["pks"], facts["queues"], facts["using"]))

    signals.captured.connect(listen)
    try:
        beacon = Beacon.objects.create(text="fire")
    finally:
        signals.captured.disconnect(listen)
    assert heard == [("beacon", "SAVE", [beacon.pk], ["shop", "search"], uncommitted)]


def test_the_counter_of_saves_starts_anew_with_every_transaction(database):
    with transaction.atomic(using=database):
        author = Author.objects.create(name="Ann")
        first = author.is_initial_cqrs_save, author.cqrs_saves_count
        author.save()
        second = author.is_initial_cqrs_save, author.cqrs_saves_count
    assert (first, second, author.cqrs_saves_count) == ((True, 1), (False, 2), 0)


def test_key_texts_are_the_same_whatever_type_the_key_was_given_in(uncommitted):
    key = uuid.uuid4()
    assert key_text(Shelf, key) == key_text(Shelf, str(key)) == key_text(Shelf, key.hex)
    assert key_text(Author, "7") == key_text(Author, 7) == "7"
