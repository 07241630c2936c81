"""A real history of the master, delivered in any order and with any duplicates, ends in a replica that equals it."""

from __future__ import annotations

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.transport.base import APPLY
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.receive.wire import retry_now

pytestmark = pytest.mark.usefixtures("each_path")

KEYS = st.integers(1, 3)
save = st.tuples(st.just("save"), KEYS, st.text("abc", max_size=3))
step = save | st.tuples(st.just("delete"), KEYS, st.none()) | st.tuples(st.just("update"), KEYS, st.just("bulk"))
transactions = st.tuples(st.lists(step, min_size=1, max_size=4), st.booleans() | st.just(True))
histories = st.lists(transactions, min_size=1, max_size=8)
few = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def take(kind, pk, name):
    """One step of the master's history."""
    if kind == "delete":
        Author.objects.filter(pk=pk).delete()
    elif kind == "update":
        Author.cqrs.bulk_update(Author.objects.filter(pk__lte=pk), name=name)
    else:
        Author.objects.update_or_create(pk=pk, defaults={"name": name})


def live_through(history, using):
    """Let the master have its history; returns what it sent."""
    for steps, commits in history:
        with transaction.atomic(using=using):
            for one in steps:
                take(*one)
            transaction.set_rollback(not commits, using=using)
    return [envelope for envelope in MemoryTransport.queues.pop("replica", ()) if envelope.task == APPLY]


def wipe(using):
    """Begin again: neither rows nor messages."""
    MemoryTransport.clear()
    with connections[using].cursor() as cursor:
        for model in (Author, AuthorRef):
            cursor.execute(f"UPDATE {model._meta.db_table} SET rival_id = NULL")
        for model in (Author, AuthorRef, Outbox, Letter, Tombstone):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")


def rows(model):
    return list(model.objects.order_by("pk").values_list("pk", "name", "rival_id", "cqrs_revision", "cqrs_updated"))


def check(history, data, using):
    wipe(using)
    sent = live_through(history, using)
    duplicates = data.draw(st.lists(st.sampled_from(sent), max_size=4)) if sent else []
    for envelope in data.draw(st.permutations([*sent, *duplicates])):
        testing.deliver_one(envelope)
    testing.deliver()
    assert rows(AuthorRef) == rows(Author)
    assert [kept.reason for kept in Letter.objects.all()] == []
    assert not Outbox.objects.exists()
    assert not Tombstone.objects.filter(revision=Tombstone.PLACEHOLDER).exists()


@pytest.mark.django_db(transaction=True)
@settings(max_examples=30, **few)
@given(histories, st.data())
def test_any_order_with_any_duplicates_ends_equal_to_the_master_on_sqlite(history, data):
    check(history, data, "default")


@settings(max_examples=5, **few)
@given(histories, st.data())
def test_any_order_with_any_duplicates_ends_equal_to_the_master_on_a_server(server, history, data):
    check(history, data, server)


@settings(max_examples=3, **few)
@given(data=st.data())
def test_children_and_parents_in_any_order_end_equal_to_the_master(database, data):
    wipe(database)
    rivals = data.draw(st.permutations([None, 1, 2, 3, 4]))
    for pk in range(1, 6):
        Author.objects.create(pk=pk, name="n")
    for pk, rival in enumerate(rivals, start=1):
        author = Author.objects.get(pk=pk)
        author.rival_id = rival
        author.save()
    for envelope in data.draw(st.permutations(MemoryTransport.queues.pop("replica"))):
        testing.deliver_one(envelope)
    for _ in rivals:
        retry_now()
    testing.deliver()
    assert rows(AuthorRef) == rows(Author)
    assert [kept.reason for kept in Letter.objects.all()] == []
    assert not Outbox.objects.exists()


def test_everything_delivered_twice_and_backwards_changes_nothing(database):
    for name in ("a", "b"):
        take("save", 1, name)
        take("save", 2, name)
        take("delete", 1, None)
    take("save", 1, "again")
    sent = MemoryTransport.queues.pop("replica")
    for envelope in [*sent, *reversed(sent), *sent]:
        testing.deliver_one(envelope)
    testing.deliver()
    assert rows(AuthorRef) == rows(Author)
    assert not Outbox.objects.exists()
