"""Replicas without a table: every message is a call of a hook, without a guard, and failures are letters."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Retry
from tests.app.models import AuthorRef, BeaconListener
from tests.apply.replicas import Recorder
from tests.receive.wire import author, confirmed, deletion, deliver, message

pytestmark = pytest.mark.django_db


def beacon(pk, revision=0, text="light"):
    return message("beacon", pk, revision, text=text)


def test_a_model_without_a_table_hears_saves_and_deletes():
    assert deliver(beacon(1), deletion("beacon", 2, 1)) == [Applied(), Applied()]
    assert sorted(BeaconListener.heard) == [("delete", 2), ("save", 1)]
    assert confirmed() == [100, 201]


def test_a_model_without_a_table_hears_duplicates_and_old_news():
    deliver(beacon(1, 1), beacon(1, 1), beacon(1, 0))
    assert BeaconListener.heard == [("save", 1)] * 3


def test_nothing_is_remembered_of_a_model_without_a_table():
    deliver(beacon(1), deletion("beacon", 1, 1))
    assert not Tombstone.objects.exists()


def test_a_failure_without_a_table_is_a_letter_and_its_neighbours_are_heard():
    endings = deliver(beacon(1), beacon(2, text="explode"), beacon(3))
    assert [type(ending) for ending in endings] == [Applied, Retry, Applied]
    assert BeaconListener.heard == [("save", 1), ("save", 3)]
    assert Letter.objects.get().pk_text == "2"
    assert confirmed() == [100, 200, 300]


def test_data_that_lack_what_the_hook_needs_are_a_letter():
    wire = message("beacon", 1)
    (ending,) = deliver(wire)
    assert isinstance(ending, Retry)
    assert "KeyError" in Letter.objects.get().reason


def test_a_newer_message_takes_the_letter_away():
    deliver(beacon(1, 0, "explode"))
    deliver(beacon(1, 1))
    assert not Letter.objects.exists()


def test_a_model_may_have_a_table_and_do_without_it():
    assert deliver({**message("unstored", 1, name="Ann"), "previous_data": {"name": "A"}}) == [Applied()]
    assert Recorder.calls == [("save", "Ann", {"previous_data": {"name": "A"}})]
    assert not AuthorRef.objects.exists()


def test_a_hook_that_was_not_written_says_so_in_its_letter():
    deliver(deletion("unstored", 1, 1))
    assert "Unstored needs a cqrs_delete" in Letter.objects.get().reason


def test_models_with_and_without_a_table_share_a_batch():
    deliver(author(1), beacon(1), author(2))
    assert AuthorRef.objects.count() == 2
    assert BeaconListener.heard == [("save", 1)]
