"""Connections without autocommit: their commits are captured, and what works behind the scenes commits all the same."""

import pytest
from django.db import connections, transaction

from celery_cqrs import testing
from celery_cqrs.master.confirm import confirm
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.publish.conftest import let_pass, pending, sizes


@pytest.fixture
def aside(database, elsewhere):
    """Runs a function in a thread whose settings switch autocommit off, and returns what it returns."""

    def run(work, *arguments):
        connections[database] = connections[database].copy()
        connections[database].settings_dict["AUTOCOMMIT"] = False
        return work(*arguments)

    return lambda work, *arguments: elsewhere(run, work, *arguments).result(timeout=60)


@pytest.fixture
def captured(database):
    """One author whose process died before it could publish."""
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        transaction.get_connection(database).run_on_commit.clear()


def test_what_is_committed_by_hand_is_captured_and_published_by_a_drain(database, aside):
    def save():
        Author.objects.create(name="Ann")
        transaction.commit(using=database)

    aside(save)
    assert sizes() == [] and pending() == 1
    drain_all(database)
    testing.deliver()
    assert AuthorRef.objects.get().name == "Ann" and not Outbox.objects.exists()


def test_what_is_rolled_back_by_hand_is_not_captured(database, aside):
    def save():
        Author.objects.create(name="Ann")
        transaction.rollback(using=database)

    aside(save)
    assert sizes() == [] and not Outbox.objects.exists()


def test_switching_autocommit_off_for_a_while_captures_what_is_committed(database):
    transaction.set_autocommit(False, using=database)
    try:
        Author.objects.create(name="Ann")
        transaction.commit(using=database)
        Author.objects.create(name="Bea")
    finally:
        transaction.rollback(using=database)
        transaction.set_autocommit(True, using=database)
    drain_all(database)
    assert [message["instance_data"]["name"] for message in testing.sent_messages("replica")] == ["Ann"]


def test_a_drain_publishes_and_commits(database, captured, aside):
    assert aside(drain_all, database) == 1
    assert sizes() == [1] and pending() == 0


def test_a_confirmation_is_committed(database, captured, aside):
    drain_all(database)
    testing.deliver_one(MemoryTransport.queues["replica"][0])
    (envelope,) = (one for one in MemoryTransport.queues["replica"] if one.task == "celery_cqrs.confirm")
    assert aside(confirm, envelope.payload) == 1
    assert not Outbox.objects.exists()


def test_a_sweep_is_committed(database, captured, aside):
    drain_all(database)
    let_pass(60)
    assert aside(resend, database) == 1
    assert pending() == 1


def test_a_whole_delivery_is_committed(database, captured, aside):
    drain_all(database)
    aside(testing.deliver)
    assert AuthorRef.objects.get().name == "Ann" and not Outbox.objects.exists()
