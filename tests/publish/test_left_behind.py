"""Processes that die and brokers that forget, at every step between COMMIT and confirmation: delivered in the end."""

import pytest
from django.db import transaction

from celery_cqrs import testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Letter, Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.harness.claims import claim
from tests.publish.conftest import let_pass, pending


@pytest.fixture
def committed(database):
    """One change whose process died right after COMMIT, before it could publish."""
    MemoryTransport.fail_with = BrokerUnavailable(problem="the process is dead")
    Author.objects.create(name="Ann")
    MemoryTransport.fail_with = None
    breaker.reset()
    return database


def beat(using):
    """What beat's drain does at every sweep."""
    resend(using)
    drain_all(using, older_than_seconds=10)
    testing.deliver()


def is_delivered():
    return [one.name for one in AuthorRef.objects.all()] == ["Ann"] and not Outbox.objects.exists()


def test_a_process_killed_right_after_its_commit_leaves_a_pending_row_that_the_sweep_sends(committed):
    assert pending() == 1
    let_pass(11)
    beat(committed)
    assert is_delivered()


def test_the_sweep_leaves_a_fresh_row_to_whoever_committed_it(committed):
    beat(committed)
    assert pending() == 1


def test_a_publisher_killed_between_claim_and_send_leaves_rows_that_are_sent_again(committed):
    claim(committed, 500)
    beat(committed)
    assert not AuthorRef.objects.exists()
    let_pass(31)
    beat(committed)
    assert is_delivered()


def test_a_broker_that_forgets_a_batch_is_asked_to_carry_it_again(committed):
    drain_all(committed)
    MemoryTransport.clear()
    let_pass(31)
    beat(committed)
    assert is_delivered()


def test_a_forgotten_batch_is_sent_again_as_soon_as_a_later_one_is_confirmed(committed):
    drain_all(committed)
    MemoryTransport.clear()
    let_pass(31)
    later = Author.objects.create(name="Bea")
    testing.deliver()
    later.delete()
    testing.deliver()
    beat(committed)
    assert is_delivered()


def test_a_worker_killed_between_apply_and_confirm_gets_a_duplicate_that_it_confirms(committed):
    drain_all(committed)
    testing.deliver_one(MemoryTransport.queues["replica"].popleft())
    MemoryTransport.clear()
    assert AuthorRef.objects.count() == 1 and Outbox.objects.count() == 1
    let_pass(31)
    beat(committed)
    assert is_delivered() and not Letter.objects.exists()


def test_a_worker_killed_in_the_midst_of_its_work_gets_everything_again(committed):
    drain_all(committed)
    envelope = MemoryTransport.queues["replica"].popleft()
    with transaction.atomic(using=committed):
        testing.deliver_one(envelope)
        transaction.set_rollback(True, using=committed)
    MemoryTransport.clear()
    let_pass(31)
    beat(committed)
    assert is_delivered()


def test_a_batch_delivered_twice_and_confirmed_twice_is_settled_once(committed):
    drain_all(committed)
    envelope = MemoryTransport.queues["replica"][0]
    MemoryTransport.queues["replica"].append(envelope)
    testing.deliver()
    assert is_delivered() and AuthorRef.objects.get().cqrs_revision == 0


def test_a_row_deleted_while_its_first_message_was_lost_ends_deleted_on_both_sides(committed):
    drain_all(committed)
    MemoryTransport.clear()
    Author.objects.get().delete()
    testing.deliver()
    let_pass(31)
    beat(committed)
    let_pass(31)
    beat(committed)
    assert not AuthorRef.objects.exists() and not Outbox.objects.exists()


def test_a_row_changed_while_its_first_message_was_lost_ends_with_the_newest_state(committed):
    drain_all(committed)
    MemoryTransport.clear()
    author = Author.objects.get()
    author.name = "Bea"
    author.save()
    testing.deliver()
    let_pass(31)
    beat(committed)
    assert AuthorRef.objects.get().name == "Bea" and not Outbox.objects.exists()
