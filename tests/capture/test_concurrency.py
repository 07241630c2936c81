"""Two connections that meet at one row: whoever comes second goes on from what the first has committed."""

import pytest
from django.db import IntegrityError, OperationalError, connections, transaction

from tests.app.models import Product
from tests.capture.conftest import captured, forget_captured, graves, stored_revision
from tests.conftest import wait_until_blocked, with_row_locks

pytestmark = with_row_locks


@pytest.fixture
def product(database):
    made = Product.objects.create(sku="a", title="first")
    forget_captured()
    return made


def other_hand():
    """The same row as another process has loaded it."""
    return Product.objects.get(sku="a")


def test_a_second_save_goes_on_from_the_revision_of_the_first(product, database, elsewhere):
    stale = other_hand()
    with transaction.atomic(using=database):
        product.save()
        second = elsewhere(stale.save)
        wait_until_blocked(second, database)
    second.result()
    assert (product.cqrs_revision, stale.cqrs_revision) == (1, 2)
    assert [row[3] for row in captured()] == [1, 2]


def test_a_deletion_that_waited_for_a_save_is_one_above_it(product, database, elsewhere):
    stale = other_hand()
    with transaction.atomic(using=database):
        product.save()
        deletion = elsewhere(stale.delete)
        wait_until_blocked(deletion, database)
    deletion.result()
    assert captured()[-1] == ("DELETE", "product", "a", 2)


def test_a_deletion_that_waited_for_a_rolled_back_save_is_one_above_the_row(product, database, elsewhere):
    stale = other_hand()
    with transaction.atomic(using=database):
        product.save()
        deletion = elsewhere(stale.delete)
        wait_until_blocked(deletion, database)
        transaction.set_rollback(True, using=database)
    deletion.result()
    assert captured() == [("DELETE", "product", "a", 1)]


def test_two_deletions_at_once_are_captured_once(product, database, elsewhere):
    stale = other_hand()
    with transaction.atomic(using=database):
        product.delete()
        deletion = elsewhere(stale.delete)
        wait_until_blocked(deletion, database)
    deletion.result()
    assert captured() == [("DELETE", "product", "a", 1)] and graves() == {("product", "a"): 1}


def test_an_insert_that_waited_for_a_deletion_continues_above_it(product, database, elsewhere):
    again = Product(sku="a", title="second")
    with transaction.atomic(using=database):
        product.save()
        product.delete()
        insert = elsewhere(lambda: again.save(force_insert=True))
        wait_until_blocked(insert, database)
    insert.result()
    assert again.cqrs_revision == stored_revision(again) == 3
    assert captured()[-1] == ("SAVE", "product", "a", 3)


def test_a_save_that_waited_for_a_deletion_creates_the_row_above_it(product, database, elsewhere):
    stale = other_hand()
    with transaction.atomic(using=database):
        product.delete()
        save = elsewhere(stale.save)
        wait_until_blocked(save, database)
    save.result()
    assert stale.cqrs_revision == stored_revision(stale) == 2


def test_rows_created_in_bulk_that_waited_for_a_deletion_continue_above_it(product, database, elsewhere):
    rows = [Product(sku=sku, title="second") for sku in "ab"]
    with transaction.atomic(using=database):
        product.delete()
        insert = elsewhere(Product.cqrs.bulk_create, rows)
        wait_until_blocked(insert, database)
    insert.result()
    assert {one.sku: one.cqrs_revision for one in Product.objects.all()} == {"a": 2, "b": 0}


def test_an_insert_that_waited_for_a_rolled_back_deletion_fails_and_is_not_captured(product, database, elsewhere):
    with transaction.atomic(using=database):
        product.delete()
        insert = elsewhere(lambda: Product(sku="a", title="second").save(force_insert=True))
        wait_until_blocked(insert, database)
        transaction.set_rollback(True, using=database)
    with pytest.raises(IntegrityError):
        insert.result()
    assert captured() == [] and graves() == {}


def test_a_bulk_update_that_waited_captures_exactly_what_it_changed(product, database, elsewhere):
    Product.cqrs.bulk_create([Product(sku="b", title="first")])
    forget_captured()
    with transaction.atomic(using=database):
        product.title = "elsewhere"
        product.save()
        bulk = elsewhere(lambda: Product.cqrs.bulk_update(Product.objects.filter(title="first"), price=1))
        wait_until_blocked(bulk, database)
    changed = bulk.result()
    assert changed == Product.objects.filter(price=1).count()
    assert [row[2] for row in captured()].count("b") == 1
    assert len(captured()) == 1 + changed


REPEATABLE = {"postgresql": 2, "mysql": "repeatable read"}


def with_an_old_snapshot(database):
    """Give this thread a connection whose transactions see what was there when they began."""
    connection = connections[database].copy()
    options = {**connection.settings_dict["OPTIONS"], "isolation_level": REPEATABLE[connection.vendor]}
    connection.settings_dict["OPTIONS"] = options
    connections[database] = connection


def test_an_insert_with_an_old_snapshot_never_continues_below_a_deletion(product, database, elsewhere):
    key = product.sku

    def re_create():
        with_an_old_snapshot(database)
        with transaction.atomic(using=database):
            list(Product.objects.all())
            elsewhere(product.delete).result()
            return Product(sku=key, title="second").save(force_insert=True)

    attempt = elsewhere(re_create)
    try:
        attempt.result()
    except OperationalError:
        assert not Product.objects.exists()
    else:
        assert stored_revision(Product.objects.get()) == 2
