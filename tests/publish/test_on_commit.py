"""When is published: once per transaction, after the outermost commit, and never before."""

import pytest
from django.db import transaction

from celery_cqrs import testing
from tests.app.models import Author, Beacon, Product
from tests.conftest import with_row_locks
from tests.publish.conftest import pending, sizes


def test_a_save_outside_any_transaction_is_published_at_once(database):
    Author.objects.create(name="Ann")
    assert sizes() == [1] and pending() == 0


def test_all_changes_of_a_transaction_are_published_together(database):
    with transaction.atomic(using=database):
        for number in range(3):
            Author.objects.create(name=f"n{number}")
        Product.objects.create(sku="a", title="x")
        Beacon.objects.create(text="fire").delete()
    assert sizes() == [5]


def test_many_saves_of_one_row_in_a_transaction_are_one_message(database):
    with transaction.atomic(using=database):
        author = Author.objects.create(name="Ann")
        for name in ("Bea", "Cea"):
            author.name = name
            author.save()
    (message,) = testing.sent_messages("replica")
    assert message["instance_data"]["name"] == "Cea" and len(message["outbox_ids"]) == 3


def test_nothing_is_published_before_the_outermost_commit(database):
    with transaction.atomic(using=database):
        with transaction.atomic(using=database), transaction.atomic(using=database, savepoint=False):
            Author.objects.create(name="Ann")
        Author.cqrs.bulk_create([Author(name="Bea")])
        inside = sizes()
    assert (inside, sizes()) == ([], [2])


def test_a_durable_transaction_is_published_once(database):
    with transaction.atomic(using=database, durable=True):
        Author.objects.create(name="Ann")
        Author.objects.create(name="Bea")
    assert sizes() == [2]


def test_the_next_transaction_publishes_again(database):
    for name in ("Ann", "Bea"):
        with transaction.atomic(using=database):
            Author.objects.create(name=name)
    assert sizes() == [1, 1]


def test_a_transaction_after_a_rolled_back_one_publishes_its_own_changes_only(database):
    for name, lost in (("Ann", True), ("Bea", False)):
        with transaction.atomic(using=database):
            Author.objects.create(name=name)
            transaction.set_rollback(lost, using=database)
    assert [message["instance_data"]["name"] for message in testing.sent_messages("replica")] == ["Bea"]


def test_a_bulk_call_outside_any_transaction_is_published_at_once(database):
    Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(3)])
    Author.cqrs.bulk_update(Author.objects.all(), name="x")
    Author.objects.all().delete()
    assert sizes() == [3, 3, 3]


def test_an_uncaptured_change_publishes_nothing(database):
    author = Author.objects.create(name="Ann")
    testing.deliver()
    author.save(update_fields=["name"])
    assert sizes() == []


def test_functions_of_others_run_at_commit_before_and_after_ours(database):
    calls = []
    with transaction.atomic(using=database):
        transaction.on_commit(lambda: calls.append(sizes()), using=database)
        Author.objects.create(name="Ann")
        transaction.on_commit(lambda: calls.append(sizes()), using=database)
    assert calls == [[], [1]]


def test_a_change_made_in_a_function_at_commit_is_published_too(database):
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        transaction.on_commit(lambda: Author.objects.create(name="Bea"), using=database)
    assert sizes() == [1, 1]


@pytest.mark.django_db
def test_a_test_case_sees_what_would_run_at_commit(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        Author.objects.create(name="Ann")
    assert len(callbacks) == 1 and sizes() == [1]


@pytest.mark.django_db
def test_a_test_case_sees_it_again_after_its_set_up_has_captured_something(django_capture_on_commit_callbacks):
    author = Author.objects.create(name="Ann")
    for expected in ([1], [1, 1]):
        with django_capture_on_commit_callbacks(execute=True):
            author.save()
        assert sizes() == expected


@pytest.mark.django_db
def test_a_test_case_that_does_not_run_them_publishes_nothing(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks():
        Author.objects.create(name="Ann")
    assert sizes() == [] and pending() == 1


@with_row_locks
def test_each_thread_publishes_its_own_transaction(database, elsewhere):
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        elsewhere(lambda: Beacon.objects.create(text="fire")).result(timeout=60)
        between = sizes()
    assert (between, sizes()) == ([1], [1, 1])
