"""Children and parents: in one batch, across batches, in every order."""

from __future__ import annotations

import uuid

import pytest

from celery_cqrs import testing
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Waiting
from celery_cqrs.replica.order import ordered_groups
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, Box, BoxRef, Shelf, ShelfRef
from tests.receive.wire import author, deletion, deliver, message, retry_now

pytestmark = pytest.mark.usefixtures("each_path")

SHELF = str(uuid.UUID(int=7))


def shelf(revision=0):
    return message("shelf", SHELF, revision, label="top")


def box(pk, revision=0):
    return message("box", pk, revision, shelf=SHELF, label="full")


def test_a_child_before_its_parent_of_the_same_model_in_one_batch_is_applied(database):
    assert deliver(author(1, rival=2), author(2)) == [Applied(), Applied()]
    assert AuthorRef.objects.get(pk=1).rival_id == 2
    assert not Letter.objects.exists()


def test_a_chain_of_children_before_their_parents_in_one_batch_is_applied(sqlite):
    chain = [author(pk, rival=pk + 1) for pk in range(1, 12)]
    deliver(*chain, author(12))
    assert AuthorRef.objects.count() == 12
    assert not Letter.objects.exists()


def test_a_child_before_its_parent_of_another_model_in_one_batch_is_applied(database):
    assert deliver(box(1), shelf(), box(2)) == [Applied()] * 3
    assert BoxRef.objects.count() == 2
    assert not Letter.objects.exists()


def test_a_parent_and_its_child_are_deleted_in_one_batch_in_any_order(database):
    deliver(shelf(), box(1))
    shelf_gone = {**deletion("shelf", SHELF, 1), "instance_data": {**shelf(1)["instance_data"]}}
    deliver(shelf_gone, deletion("box", 1, 1))
    assert not ShelfRef.objects.exists()
    assert not BoxRef.objects.exists()
    assert not Letter.objects.exists()


def test_a_child_before_its_parent_in_another_batch_waits_and_is_applied_after_it(database):
    (ending,) = deliver(box(1))
    assert isinstance(ending, Waiting)
    assert Letter.objects.get().state == Letter.WAITING
    deliver(shelf())
    testing.deliver("replica")
    assert BoxRef.objects.get().shelf.label == "top"
    assert not Letter.objects.exists()


def test_a_child_whose_parent_is_not_there_yet_goes_on_waiting(database):
    deliver(author(1, rival=2))
    retry_now()
    kept = Letter.objects.get()
    assert (kept.state, kept.attempts) == (Letter.WAITING, 0)
    deliver(author(2))
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 2
    assert not Letter.objects.exists()


def test_a_parent_brings_the_waiting_generations_after_it(database):
    for pk in range(1, 6):
        deliver(author(pk, rival=pk + 1))
    deliver(author(6))
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 6
    assert not Letter.objects.exists()


def test_a_child_that_was_deleted_while_it_waited_does_not_come_back(sqlite):
    deliver(box(1))
    deliver(deletion("box", 1, 1))
    deliver(shelf())
    retry_now()
    assert not BoxRef.objects.exists()
    assert not Letter.objects.exists()


def test_a_moved_child_and_its_deleted_former_parent_in_one_batch_end_as_on_the_master(database):
    old, new = Shelf.objects.create(label="old"), Shelf.objects.create(label="new")
    moved = Box.objects.create(shelf=old, label="box")
    testing.deliver()
    moved.shelf = new
    moved.save()
    old.delete()
    messages = testing.sent_messages("replica")
    MemoryTransport.clear()
    deliver(*messages)
    retry_now()
    assert BoxRef.objects.get().shelf_id == new.pk
    assert ShelfRef.objects.get().pk == new.pk
    assert not Letter.objects.exists()


def test_a_cascade_on_the_master_arrives_in_any_order(database):
    top = Shelf.objects.create(label="top")
    for _ in range(3):
        Box.objects.create(shelf=top, label="box")
    testing.deliver()
    top.delete()
    messages = testing.sent_messages("replica")
    MemoryTransport.clear()
    for one in reversed(messages):
        deliver(one)
    retry_now()
    assert not ShelfRef.objects.exists()
    assert not BoxRef.objects.exists()
    assert not Letter.objects.exists()


def test_a_circle_that_a_master_could_build_is_built_on_the_replica(database):
    ann = Author.objects.create(name="Ann")
    ann.rival = Author.objects.create(name="Bea", rival=ann)
    ann.save()
    messages = testing.sent_messages("replica")
    MemoryTransport.clear()
    deliver(*messages)
    retry_now()
    assert AuthorRef.objects.get(pk=ann.pk).rival.rival_id == ann.pk
    assert not Letter.objects.exists()


@pytest.mark.parametrize("names", [("box", "shelf"), ("shelf", "box")])
def test_models_are_ordered_deletions_first_and_parents_before_children(names):
    wires = [{**message(name, 1), "signal_type": kind} for name in names for kind in ("SAVE", "DELETE", "SYNC")]
    groups = ordered_groups([Message.from_message(wire) for wire in wires])
    assert [(cqrs_id, [str(one.signal_type) for one in group]) for cqrs_id, group in groups] == [
        ("box", ["DELETE"]),
        ("shelf", ["DELETE"]),
        ("shelf", ["SAVE", "SYNC"]),
        ("box", ["SAVE", "SYNC"]),
    ]


def test_ids_without_a_model_or_a_table_have_a_place_in_the_order_too():
    wires = [message(name, 1) for name in ("unicorn", "box", "beacon", "author")]
    groups = ordered_groups([Message.from_message(wire) for wire in wires])
    assert {cqrs_id for cqrs_id, _ in groups} == {"unicorn", "box", "beacon", "author"}
    assert groups[-1][0] == "box"
