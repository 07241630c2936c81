"""Each message of a batch goes to the replica model of its id; an id without one becomes dead letters."""

from __future__ import annotations

import pytest

from celery_cqrs import signals
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead
from tests.app.models import AuthorRef, BeaconListener, ProductRef, RecipeDocument, ShelfRef
from tests.receive.wire import author, confirmed, deletion, deliver, message, product, recipe

pytestmark = pytest.mark.django_db


def test_one_batch_may_carry_messages_of_many_models():
    shelf = "c0ffee00-0000-4000-8000-000000000000"
    deliver(author(1), product("a"), recipe(1), message("shelf", shelf, label="top"), message("beacon", 3, text="hi"))
    counts = [model.objects.count() for model in (AuthorRef, ProductRef, RecipeDocument, ShelfRef)]
    assert counts == [1, 1, 1, 1]
    assert BeaconListener.heard == [("save", 3)]


@pytest.mark.parametrize("wire", [message("unicorn", 1), deletion("unicorn", 1, 3)], ids=["save", "delete"])
def test_an_unknown_id_is_a_dead_letter_that_says_what_to_do(wire):
    (ending,) = deliver(wire)
    assert isinstance(ending, Dead)
    reason = Letter.objects.get(state=Letter.DEAD, cqrs_id="unicorn", pk_text="1").reason
    assert "'unicorn'" in reason
    assert "Add the model" in reason


def test_an_unknown_id_is_confirmed_since_its_letter_keeps_it():
    deliver(message("unicorn", 1, 4))
    assert confirmed() == [104]
    assert Letter.objects.get().payload["instance_data"]["cqrs_revision"] == 4


def test_the_neighbours_of_an_unknown_id_are_applied():
    endings = deliver(author(1), message("unicorn", 1), author(2))
    assert [type(ending) for ending in endings] == [Applied, Applied, Dead]
    assert AuthorRef.objects.count() == 2
    assert confirmed() == [100, 100, 200]


def test_a_flood_of_an_unknown_id_is_one_letter_per_key():
    for revision in range(10):
        deliver(message("unicorn", 1, revision), message("unicorn", 2, revision))
    assert sorted(Letter.objects.values_list("pk_text", "revision")) == [("1", 9), ("2", 9)]


def test_the_newest_message_of_an_unknown_id_is_the_one_that_is_kept():
    deliver(message("unicorn", 1, 5), message("unicorn", 1, 7), message("unicorn", 1, 6))
    deliver(message("unicorn", 1, 2))
    assert Letter.objects.get().revision == 7


def test_a_letter_of_one_id_is_not_taken_for_another_id_with_the_same_key():
    deliver(message("unicorn", 1, 1), message("dragon", 1, 0))
    assert set(Letter.objects.values_list("cqrs_id", "revision")) == {("unicorn", 1), ("dragon", 0)}


def test_receiving_announces_the_batch_before_anything_is_applied():
    seen = []

    def note(batch, **kwargs):
        seen.append((batch.reply_to, len(batch.messages), AuthorRef.objects.count()))

    signals.received.connect(note)
    try:
        deliver(author(1))
    finally:
        signals.received.disconnect(note)
    assert seen == [("atlas", 1, 0)]


def test_a_receiver_that_fails_does_not_disturb_the_flow():
    def fail(**kwargs):
        raise RuntimeError("a counter is broken")

    for signal in (signals.received, signals.applied, signals.died):
        signal.connect(fail)
    try:
        deliver(author(1), message("unicorn", 1))
    finally:
        for signal in (signals.received, signals.applied, signals.died):
            signal.disconnect(fail)
    assert AuthorRef.objects.count() == 1
    assert confirmed() == [100, 100]
