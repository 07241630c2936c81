"""Rows that refer to each other, and whole histories backwards; histories of all kinds are in tests/convergence."""

from __future__ import annotations

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.receive.wire import retry_now

pytestmark = pytest.mark.usefixtures("each_path")

few = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


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
        Author.objects.update_or_create(pk=1, defaults={"name": name})
        Author.objects.update_or_create(pk=2, defaults={"name": name})
        Author.objects.filter(pk=1).delete()
    Author.objects.create(pk=1, name="again")
    sent = MemoryTransport.queues.pop("replica")
    for envelope in [*sent, *reversed(sent), *sent]:
        testing.deliver_one(envelope)
    testing.deliver()
    assert rows(AuthorRef) == rows(Author)
    assert not Outbox.objects.exists()
