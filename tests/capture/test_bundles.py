"""Changes by the thousand share rows of the outbox, with all that is promised of a row for each."""

from django.db import transaction
from django.db.models import Sum

from celery_cqrs import signals
from celery_cqrs.columns import KEY_LENGTH
from celery_cqrs.master import bundles
from celery_cqrs.models import Outbox
from tests.app.models import Animal, AnimalRef, Author, Beacon, Box, Dog, DogRef, Product, Shelf
from tests.capture.conftest import carry_to_replica

MANY = bundles.LEAST_KEYS


def products(count=MANY, start=0):
    return [Product(sku=f"p{number}", title="x") for number in range(start, start + count)]


def held_keys(**criteria):
    """The keys that bundles hold."""
    return [
        key for keys in Outbox.objects.filter(kind="bundle", **criteria).values_list("keys", flat=True) for key in keys
    ]


def test_many_rows_created_at_once_share_rows_of_the_outbox(uncommitted):
    Product.cqrs.bulk_create(products(1_200))
    assert [row.size for row in Outbox.objects.order_by("id")] == [500, 500, 200]
    assert held_keys() == [f"p{number}" for number in range(1_200)]


def test_fewer_rows_have_a_row_each(uncommitted):
    Product.cqrs.bulk_create(products(MANY - 1))
    assert Outbox.objects.filter(kind="sync").count() == MANY - 1 == Outbox.objects.count()


def test_every_queue_has_bundles_of_its_own(uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "search": ["product"]}})
    Product.cqrs.bulk_create(products())
    assert held_keys(queue="shop") == held_keys(queue="search") == [f"p{number}" for number in range(MANY)]


def test_many_rows_updated_at_once_share_rows_too(uncommitted):
    Product.objects.bulk_create(products(500 + MANY))
    assert Product.cqrs.bulk_update(Product.objects.all(), title="y") == 500 + MANY
    assert sorted(held_keys()) == sorted(f"p{number}" for number in range(500 + MANY))
    assert Product.objects.filter(cqrs_revision=1, title="y").count() == 500 + MANY


def test_a_bundle_is_captured_if_and_only_if_its_transaction_commits(database):
    with transaction.atomic(using=database):
        Product.cqrs.bulk_create(products())
        with transaction.atomic(using=database):
            Product.cqrs.bulk_create(products(start=MANY))
            transaction.set_rollback(True, using=database)
        Product.cqrs.bulk_create(products(start=2 * MANY))
    assert held_keys() == [f"p{number}" for number in (*range(MANY), *range(2 * MANY, 3 * MANY))]
    carry_to_replica(database)
    with transaction.atomic(using=database):
        Product.cqrs.bulk_create(products(start=3 * MANY))
        transaction.set_rollback(True, using=database)
    assert not Outbox.objects.exists() and Product.objects.count() == 2 * MANY


def test_what_tracks_its_fields_has_a_row_for_each_with_its_previous_values(uncommitted):
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(MANY)])
    assert Outbox.objects.filter(kind="sync", previous_data__isnull=False).count() == MANY


def test_a_project_with_correlation_ids_has_a_row_for_each(uncommitted, configure):
    configure(master={"correlation_function": lambda *facts: "here"})
    Product.cqrs.bulk_create(products())
    assert Outbox.objects.filter(kind="sync").count() == MANY


def test_filtered_rows_are_in_no_bundle(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Outbox.objects.all().delete()
    Box.cqrs.bulk_create([Box(shelf=shelf, label=f"-{number}" if number % 2 else "box") for number in range(2 * MANY)])
    assert Outbox.objects.aggregate(keys=Sum("size"))["keys"] == MANY


def test_keys_that_were_deleted_before_go_on_above_their_deletion(database):
    Product.objects.create(sku="p7", title="first life")
    for _ in range(3):
        Product.objects.get().save()
    carry_to_replica(database)
    Product.objects.get().delete()
    created = Product.cqrs.bulk_create(products())
    assert [one.cqrs_revision for one in created if one.cqrs_revision] == [5]
    assert Product.objects.get(sku="p7").cqrs_revision == 5
    carry_to_replica(database)
    assert not Outbox.objects.exists()


def test_registered_parents_get_bundles_of_their_own_keys(uncommitted):
    dogs = [Dog.objects.create(name="Rex", tricks=number) for number in range(3)]
    Outbox.objects.all().delete()
    Dog.cqrs.bulk_update(Dog.objects.all(), tricks=9)
    assert Outbox.objects.filter(kind="sync").count() == 2 * len(dogs)


def test_a_bundle_is_announced_with_its_keys(uncommitted):
    heard = []

    def listen(cqrs_id, pks, signal_type, **_):
        heard.append((cqrs_id, str(signal_type), len(pks)))

    signals.captured.connect(listen)
    try:
        Beacon.cqrs.bulk_create([Beacon(text="fire") for _ in range(MANY)])
    finally:
        signals.captured.disconnect(listen)
    assert heard == [("beacon", "SAVE", MANY)]


def test_children_of_a_parent_that_is_updated_have_rows_of_their_own(uncommitted):
    Dog.objects.create(name="Rex")
    Animal.objects.bulk_create([Animal(name="x") for _ in range(MANY)])
    Outbox.objects.all().delete()
    Animal.cqrs.bulk_update(Animal.objects.all(), name="y")
    assert set(Outbox.objects.values_list("cqrs_id", "kind")) == {("animal", "bundle"), ("dog", "sync")}
    carry_to_replica(uncommitted)
    assert (AnimalRef.objects.count(), DogRef.objects.count()) == (MANY + 1, 1) and not Outbox.objects.exists()


def test_a_key_that_is_too_long_for_the_outbox_is_refused_as_ever(uncommitted):
    long = Product(sku="x" * (KEY_LENGTH + 1), title="x")
    assert not bundles.are_enough([str(one.pk) for one in [*products(), long]])
    assert bundles.are_enough([str(one.pk) for one in products()])
