"""A key may live several times: each life continues above the deletion that ended the one before."""

import pytest
from django.core import serializers
from django.db import transaction
from django.utils import timezone

from celery_cqrs.models import Letter, Outbox
from tests.app.models import Author, Beacon, Product, ProductRef
from tests.capture.conftest import captured, carry_to_replica, graves, stored_revision


@pytest.fixture
def deleted(uncommitted):
    """The key of a product that was saved three times and deleted at revision 3."""
    product = Product.objects.create(sku="a", title="first")
    product.save()
    product.save()
    product.delete()
    return "a"


def test_a_re_created_row_continues_above_the_deletion(deleted):
    product = Product.objects.create(sku=deleted, title="second")
    assert product.cqrs_revision == stored_revision(product) == 4
    assert captured()[-1] == ("SAVE", "product", "a", 4)


def test_a_life_within_the_same_transaction_continues_too(uncommitted):
    with transaction.atomic(using=uncommitted):
        Product.objects.create(sku="a", title="first").delete()
        product = Product.objects.create(sku="a", title="second")
    assert product.cqrs_revision == stored_revision(product) == 2


def test_every_further_life_rises_higher(deleted):
    revisions = []
    for _ in range(3):
        product = Product.objects.create(sku=deleted, title="again")
        revisions.append(product.cqrs_revision)
        product.delete()
    assert revisions == [4, 6, 8] and graves() == {("product", "a"): 9}


def test_saving_the_deleted_instance_again_continues_above_the_deletion(uncommitted):
    product = Product.objects.create(sku="a", title="first")
    product.delete()
    product.sku = "a"
    product.save()
    assert product.cqrs_revision == stored_revision(product) == 2


def test_a_row_re_created_in_bulk_continues_above_the_deletion(deleted):
    fresh, again = Product.cqrs.bulk_create([Product(sku="b", title="new"), Product(sku=deleted, title="second")])
    assert (stored_revision(fresh), stored_revision(again)) == (0, 4)
    assert (fresh.cqrs_revision, again.cqrs_revision) == (0, 4)


def test_a_row_re_created_by_get_or_create_continues_above_the_deletion(deleted):
    product, _ = Product.objects.get_or_create(sku=deleted, defaults={"title": "second"})
    assert stored_revision(product) == 4


def test_a_row_re_created_from_a_fixture_continues_above_the_deletion(deleted):
    fixture = serializers.serialize("json", [Product(sku=deleted, title="second", cqrs_updated=timezone.now())])
    for one in serializers.deserialize("json", fixture):
        one.save()
    assert stored_revision(Product.objects.get()) == 4


def test_a_row_re_created_and_then_announced_by_hand_continues_above_the_deletion(deleted):
    created = Product.objects.bulk_create([Product(sku=deleted, title="second")])
    Product.call_post_bulk_create(created)
    assert stored_revision(created[0]) == 4


def test_a_row_that_was_re_created_unseen_rises_above_the_deletion_when_saved(deleted):
    Product.objects.bulk_create([Product(sku=deleted, title="unseen")])
    product = Product.objects.get()
    product.save()
    assert product.cqrs_revision == stored_revision(product) > 3


def test_rows_that_were_re_created_unseen_rise_above_the_deletion_when_updated_in_bulk(deleted):
    Product.objects.bulk_create([Product(sku=deleted, title="unseen")])
    Product.cqrs.bulk_update(Product.objects.all(), title="seen")
    assert stored_revision(Product.objects.get()) > 3


def test_a_row_that_was_re_created_unseen_and_saved_reaches_the_replica(deleted, uncommitted):
    carry_to_replica(uncommitted)
    Product.objects.bulk_create([Product(sku=deleted, title="unseen")])
    Product.objects.get().save()
    carry_to_replica(uncommitted)
    assert ProductRef.objects.get().name == "unseen"


def test_a_copy_of_a_higher_revision_keeps_its_own_above_the_deletion(deleted):
    product = Product(sku=deleted, title="second", cqrs_revision=50)
    product.save(force_insert=True)
    assert product.cqrs_revision == stored_revision(product) == 50


def test_a_second_life_replaces_the_first_on_the_replica(deleted, uncommitted):
    carry_to_replica(uncommitted)
    Product.objects.create(sku=deleted, title="second")
    carry_to_replica(uncommitted)
    found = ProductRef.objects.get()
    assert (found.name, found.cqrs_revision) == ("second", 4)
    assert not Outbox.objects.exists() and not Letter.objects.exists()


def test_another_key_is_not_touched_by_a_deletion(deleted):
    assert Product.objects.create(sku="b", title="other").cqrs_revision == 0


def test_another_model_with_the_same_key_is_not_touched_by_a_deletion(uncommitted):
    author = Author.objects.create(pk=77, name="Ann")
    author.delete()
    assert Beacon.objects.create(pk=77, text="fire").cqrs_revision == 0


def test_a_life_that_is_rolled_back_leaves_the_remembered_deletion_as_it_was(deleted, uncommitted):
    with transaction.atomic(using=uncommitted):
        Product.objects.create(sku=deleted, title="second").delete()
        transaction.set_rollback(True, using=uncommitted)
    assert graves() == {("product", "a"): 3}


def test_a_row_that_was_re_created_unseen_is_deleted_above_the_deletion_before(deleted):
    Product.objects.bulk_create([Product(sku=deleted, title="unseen")])
    Product.objects.get().delete()
    assert captured()[-1] == ("DELETE", "product", "a", 4) and graves() == {("product", "a"): 4}


def test_a_row_that_was_re_created_unseen_ends_deleted_on_the_replica(deleted, uncommitted):
    carry_to_replica(uncommitted)
    Product.objects.bulk_create([Product(sku=deleted, title="unseen")])
    Product.objects.get().save()
    carry_to_replica(uncommitted)
    Product.objects.get().delete()
    carry_to_replica(uncommitted)
    assert not ProductRef.objects.exists() and not Outbox.objects.exists() and not Letter.objects.exists()
