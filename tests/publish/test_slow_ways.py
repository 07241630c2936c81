"""What does not pass in time: the way may be slow, the batch large, or one message too large for it. Nothing blocks."""

import pytest

from celery_cqrs.master import breaker, portion
from celery_cqrs.master.drain import drain, drain_all
from celery_cqrs.models import Outbox
from tests.app.models import Author, Specimen
from tests.publish.conftest import let_pass, pending, sizes

ROUNDS = 20


@pytest.fixture
def slow(broker):
    """A way to the broker that lets 4,000 bytes pass in time."""
    broker.bytes_in_time = 4_000
    return broker


def after_a_rest(using):
    """What the publisher does when its rest has ended."""
    breaker.reset()
    let_pass(11)
    drain_all(using)


def test_a_batch_that_takes_too_long_travels_in_smaller_ones(uncommitted, slow):
    Author.cqrs.bulk_create([Author(name=f"Ann {number}") for number in range(100)])
    for _ in range(ROUNDS):
        after_a_rest(uncommitted)
    assert pending() == 0 and sum(sizes()) == 100


def test_batches_grow_again_as_they_pass(uncommitted, slow):
    Author.cqrs.bulk_create([Author(name=f"Ann {number}") for number in range(100)])
    drain(uncommitted)
    small = portion.of(500)
    slow.bytes_in_time = None
    after_a_rest(uncommitted)
    assert pending() == 0 and small < portion.of(500) <= 500


def test_a_frozen_broker_gets_smaller_batches_and_loses_nothing(uncommitted, slow):
    slow.bytes_in_time = 0
    Author.cqrs.bulk_create([Author(name=f"Ann {number}") for number in range(50)])
    for _ in range(ROUNDS):
        after_a_rest(uncommitted)
    assert pending() == 50 and portion.of(500) == 1
    slow.bytes_in_time = None
    after_a_rest(uncommitted)
    assert pending() == 0 and sum(sizes()) == 50


def test_a_message_too_large_for_the_way_is_set_aside_and_the_others_flow(uncommitted, slow):
    large = Specimen.objects.create(text="x" * 9_000)
    for number in range(20):
        Author.objects.create(name=f"Bea {number}")
    for _ in range(ROUNDS):
        after_a_rest(uncommitted)
    waiting = Outbox.objects.get(sent_at=None)
    assert waiting.pk_text == str(large.pk) and "socket_timeout_seconds" in waiting.error
    assert sum(sizes()) == 20


def test_a_lonely_message_is_not_blamed_for_a_frozen_broker(uncommitted, slow):
    slow.bytes_in_time = 0
    Author.objects.create(name="Ann")
    for _ in range(ROUNDS):
        after_a_rest(uncommitted)
    assert Outbox.objects.get().error == ""
    slow.bytes_in_time = None
    after_a_rest(uncommitted)
    assert pending() == 0
