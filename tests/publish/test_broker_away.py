"""The broker is away: the caller does not notice, the claim is given back, the process rests before it asks again."""

import pytest
from django.db import transaction

from celery_cqrs import testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain, drain_all
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.publish.conftest import pending, sizes


@pytest.fixture
def away():
    """The broker cannot be reached until the test calls this."""
    MemoryTransport.fail_with = BrokerUnavailable(problem="connection refused")

    def come_back():
        MemoryTransport.fail_with = None
        breaker.reset()

    return come_back


def test_the_save_succeeds_and_its_change_waits(database, away):
    Author.objects.create(name="Ann")
    assert Author.objects.count() == 1 and pending() == 1


def test_the_change_is_delivered_when_the_broker_is_back(database, away):
    Author.objects.create(name="Ann")
    away()
    drain_all(database)
    testing.deliver()
    assert AuthorRef.objects.get().name == "Ann" and not Outbox.objects.exists()


def test_functions_at_commit_of_others_run_all_the_same(database, away):
    calls = []
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        transaction.on_commit(lambda: calls.append("ran"), using=database)
    assert calls == ["ran"]


def test_a_failed_attempt_is_not_counted_as_one(uncommitted, away):
    Author.objects.create(name="Ann")
    drain(uncommitted)
    row = Outbox.objects.get()
    assert (row.attempts, row.sent_at, row.error) == (0, None, "")


def test_a_failure_is_announced_with_its_queue(uncommitted, away, heard):
    Author.objects.create(name="Ann")
    drain(uncommitted)
    (told,) = heard["publish_failed"]
    assert told["queue"] == "replica" and "connection refused" in str(told["error"])


def test_a_process_that_met_a_dead_broker_does_not_ask_again_while_it_rests(database, broker):
    broker.sends_left = 0
    for name in "abcde":
        Author.objects.create(name=name)
    assert len(broker.offered) == 1 and pending() == 5


def test_the_rest_ends_after_the_seconds_of_the_setting(uncommitted, broker, configure):
    configure(master={"breaker_seconds": 0.0})
    broker.sends_left = 0
    Author.objects.create(name="Ann")
    for _ in range(3):
        drain(uncommitted)
    assert len(broker.offered) == 3


def test_a_rest_is_as_long_as_the_setting_says(uncommitted, away, configure):
    configure(master={"breaker_seconds": 60})
    Author.objects.create(name="Ann")
    drain(uncommitted)
    assert 50 < breaker.rest_seconds() <= 60


def test_the_first_failure_gives_back_everything_that_is_left_for_every_queue(uncommitted, broker, configure):
    configure(master={"replicas": {"a": "__all__", "b": "__all__", "c": "__all__"}})
    broker.sends_left = 1
    Author.objects.create(name="Ann")
    drain(uncommitted)
    assert len(broker.offered) == 2 and pending() == 2
    assert Outbox.objects.exclude(sent_at=None).get().queue == broker.offered[0][0]


def test_batches_sent_before_the_failure_stay_sent(uncommitted, broker, configure):
    configure(master={"batch_size": 10})
    broker.sends_left = 1
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(25)])
    drain(uncommitted, limit=25)
    assert sizes() == [10] and pending() == 15


def test_draining_ends_when_the_broker_goes_away_in_its_midst(uncommitted, broker, configure):
    configure(master={"batch_size": 10})
    broker.sends_left = 2
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(100)])
    assert drain_all(uncommitted) == 30
    assert pending() == 80


def test_many_changes_made_in_an_outage_are_sent_as_their_last_state(database, away):
    author = Author.objects.create(name="Ann")
    for name in ("Bea", "Cea"):
        author.name = name
        author.save()
    away()
    drain_all(database)
    (message,) = testing.sent_messages("replica")
    assert message["instance_data"]["name"] == "Cea"
    assert message["previous_data"] == {"name": None}
