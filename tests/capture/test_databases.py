"""Models in several databases: a change is captured where its row is."""

import pytest
from django.db import transaction

from celery_cqrs import testing
from celery_cqrs.models import Outbox, Tombstone
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.servers("postgres"),
]


def counts():
    return {alias: Outbox.objects.using(alias).count() for alias in ("default", "postgres")}


def test_a_row_saved_in_a_named_database_is_captured_there():
    Author(name="Ann").save(using="postgres")
    assert counts() == {"default": 0, "postgres": 1}


def test_a_queryset_of_a_named_database_captures_there():
    Author.objects.using("postgres").create(name="Ann")
    Author.cqrs.using("postgres").bulk_create([Author(name="Bea")])
    Author.cqrs.bulk_update(Author.objects.using("postgres").all(), name="x")
    assert counts() == {"default": 0, "postgres": 4}


def test_a_deletion_in_a_named_database_is_captured_and_remembered_there():
    Author.objects.using("postgres").create(name="Ann").delete(using="postgres")
    assert counts() == {"default": 0, "postgres": 2}
    assert not Tombstone.objects.using("default").exists() and Tombstone.objects.using("postgres").exists()


def test_rows_announced_by_hand_are_captured_in_the_named_database():
    created = Author.objects.using("postgres").bulk_create([Author(name="Ann")])
    Author.call_post_bulk_create(created, using="postgres")
    assert counts() == {"default": 0, "postgres": 1}


def test_a_row_of_a_named_database_is_synced_from_there():
    author = Author.objects.using("postgres").create(name="Ann")
    Outbox.objects.using("postgres").all().delete()
    assert author.cqrs_sync()
    assert counts() == {"default": 0, "postgres": 1}


def test_a_copy_into_another_database_is_captured_there():
    author = Author.objects.create(name="Ann")
    author.save(using="postgres")
    assert counts() == {"default": 1, "postgres": 1}


def test_each_database_keeps_what_its_own_transaction_committed():
    with transaction.atomic(using="postgres"), transaction.atomic(using="default"):
        Author(name="kept").save(using="postgres")
        Author(name="lost").save(using="default")
        transaction.set_rollback(True, using="default")
    assert counts() == {"default": 0, "postgres": 1}


def test_a_change_of_a_named_database_comes_back_confirmed_to_it():
    Author(name="Ann").save(using="postgres")
    (envelope,) = MemoryTransport.queues["replica"]
    assert envelope.payload["outbox"] == "postgres"
    testing.deliver()
    assert AuthorRef.objects.using("default").get().name == "Ann" and counts() == {"default": 0, "postgres": 0}
