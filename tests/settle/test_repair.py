"""A replica asks for the present state of keys; the master answers to that queue alone, and only what it may see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master.repair import repair
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.replica.receive import receive
from celery_cqrs.transport.base import APPLY
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, Box, Product, ProductRef, Shelf
from tests.apply.race import Worker, third_connection, until_waiting
from tests.receive.wire import retry_now


def request(*keys, queue="replica", outbox="default"):
    """What a replica sends; a key is (cqrs_id, pk) or (cqrs_id, pk, revision)."""
    names = ("cqrs_id", "instance_pk", "revision")
    return {"v": 1, "queue": queue, "outbox": outbox, "keys": [dict(zip(names, key, strict=False)) for key in keys]}


def answers(queue="replica"):
    """The messages that wait for ``queue``, short: type, key, revision."""
    sent = [(one["signal_type"], one["instance_pk"]) for one in testing.sent_messages(queue)]
    revisions = [one["instance_data"]["cqrs_revision"] for one in testing.sent_messages(queue)]
    return [(*pair, revision) for pair, revision in zip(sent, revisions, strict=True)]


@pytest.fixture
def quiet(database):
    """An author and a product that every replica has, on each database."""
    Author.objects.create(id=1, name="Ann")
    Product.objects.create(sku="a", title="t")
    testing.deliver()
    assert not Outbox.objects.exists()
    return database


def test_a_row_that_is_there_is_sent_as_a_sync_to_the_queue_that_asked_alone(quiet, configure):
    configure(master={"replicas": {"replica": "__all__", "search": "__all__"}})
    assert repair(request(("author", 1, 0), ("product", "a"), outbox=quiet)) == 2
    assert answers() == [("SYNC", 1, 0), ("SYNC", "a", 0)]
    assert answers("search") == []
    assert {one.payload["queue"] for one in MemoryTransport.queues["replica"] if one.task == APPLY} == {"replica"}


def test_a_row_that_is_gone_is_a_delete_at_its_tombstone(quiet):
    Author.objects.get().delete()
    testing.deliver()
    assert repair(request(("author", 1, 0), outbox=quiet)) == 1
    assert answers() == [("DELETE", 1, 1)]
    assert Tombstone.objects.get(side="master").revision == 1


def test_a_row_whose_deletion_is_forgotten_is_a_delete_at_what_the_replica_knows(quiet, configure):
    AuthorRef.objects.update(cqrs_revision=7)
    Author.objects.filter(pk=1)._raw_delete(quiet)
    assert repair(request(("author", 1, 7), outbox=quiet)) == 1
    testing.deliver()
    assert not AuthorRef.objects.exists()


def test_a_key_that_begins_a_new_life_after_that_goes_on_above_it(quiet):
    repair(request(("author", 5, 7), outbox=quiet))
    testing.deliver()
    Author.objects.create(id=5, name="Eve")
    testing.deliver()
    assert AuthorRef.objects.get(pk=5).cqrs_revision == 8


def test_no_placeholder_is_left_behind(quiet):
    repair(request(("author", 1), ("author", 5), outbox=quiet))
    assert not Tombstone.objects.filter(revision=Tombstone.PLACEHOLDER).exists()


def test_asking_twice_captures_once(quiet):
    for _ in range(2):
        repair(request(("author", 1), ("author", 5, 2), outbox=quiet))
    assert Outbox.objects.filter(queue="replica").count() == 2


@pytest.mark.usefixtures("sqlite")
def test_what_waits_in_the_outbox_anyway_is_the_answer():
    Author.objects.create(id=1, name="Ann")
    repair(request(("author", 1)))
    assert [row.signal_type for row in Outbox.objects.all()] == ["SAVE"]


@pytest.mark.usefixtures("sqlite")
def test_what_was_sent_long_ago_and_never_confirmed_is_sent_again_at_once():
    Author.objects.create(id=1, name="Ann")
    MemoryTransport.clear()
    repair(request(("author", 1)))
    assert answers() == []
    Outbox.objects.update(sent_at=timezone.now() - timedelta(seconds=31))
    repair(request(("author", 1)))
    assert answers() == [("SAVE", 1, 0)]


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(
    ("asked", "queue", "reason"),
    [
        (("author", 1), "search", "does not give it to this queue"),
        (("unicorn", 1), "replica", "no master model has this CQRS_ID"),
        (("author", "x"), "replica", "their keys are none of this model"),
        (("author", 10**30), "replica", "their keys are none of this model"),
        (("product", "x" * 21), "replica", "their keys are none of this model"),
        (("product", "a\x00b"), "replica", "their keys are none of this model"),
    ],
)
def test_what_a_queue_is_not_to_get_is_refused_and_said_so(asked, queue, reason, configure, caplog):
    Author.objects.create(id=1, name="Ann")
    testing.deliver()
    configure(master={"replicas": {"replica": "__all__", "search": ["product"]}})
    assert repair(request(asked, queue=queue)) == 0
    assert reason in caplog.text
    assert not Outbox.objects.exists()
    assert not Tombstone.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_a_key_that_is_refused_harms_no_neighbour():
    Author.objects.create(id=1, name="Ann")
    testing.deliver()
    repair(request(("author", "x"), ("unicorn", 5), ("author", 1)))
    assert answers() == [("SYNC", 1, 0)]


@pytest.mark.usefixtures("sqlite")
def test_a_row_that_is_filtered_out_is_not_shown():
    shelf = Shelf.objects.create(label="s")
    Box.objects.create(id=1, shelf=shelf, label="-hidden")
    testing.deliver()
    repair(request(("box", 1)))
    assert answers() == []


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        request(("author", 1), outbox="nowhere"),
        {**request(), "v": 2},
        {**request(), "queue": ""},
        {**request(), "keys": [7]},
        request(("author", None)),
        request(("author", 1, -1)),
        request(("author", 1, 2**31)),
    ],
)
def test_a_malformed_question_is_refused_with_a_sentence(payload):
    with pytest.raises(MessageRefused):
        repair(payload)
    assert not Outbox.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_many_keys_are_answered_in_portions():
    Author.cqrs.bulk_create([Author(id=pk, name="n") for pk in range(1, 701)])
    testing.deliver()
    assert repair(request(*(("author", pk, 0) for pk in range(1, 1_202)))) == 1_201
    assert len(answers()) == 1_201


def test_a_key_that_is_created_while_it_is_buried_is_not_buried(server):
    """The row appears after the first look; who holds the place of the tombstone makes the master look again."""
    with third_connection(server) as third:
        with third.cursor() as cursor:
            columns = "side, cqrs_id, pk, revision, deleted_at"
            values = "'master', 'author', '5', -1, '2026-01-01 00:00:00'"
            cursor.execute(f"INSERT INTO celery_cqrs_tombstone ({columns}) VALUES ({values})")
        asking = Worker(lambda: repair(request(("author", 5, 7), outbox=server)))
        until_waiting(server, 1, asking)
        Author.objects.create(id=5, name="Eve")
        third.rollback()
    asking.finish()
    testing.deliver()
    assert AuthorRef.objects.get(pk=5).cqrs_revision == 0
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("fate", ["saved again", "deleted", "deleted and forgotten", "as it was", "born again"])
def test_an_old_letter_and_its_master_end_equal_whatever_has_happened_since(database, configure, fate):
    Author.objects.create(id=1, name="rival")
    Author.objects.create(id=2, name="old", rival_id=1)
    payload = MemoryTransport.queues["replica"][1].payload
    MemoryTransport.clear()
    receive(payload)  # the rival is not there yet
    Outbox.objects.all().delete()
    if fate == "saved again":
        Author.objects.filter(pk=2).update(name="new", cqrs_revision=4)
    elif fate != "as it was":
        Author.objects.get(pk=2).delete()
    if fate == "born again":
        Author.objects.create(id=2, name="reborn")
    if fate == "deleted and forgotten":
        Tombstone.objects.all().delete()
    Outbox.objects.all().delete()
    MemoryTransport.clear()
    kept = Letter.objects.get()
    kept.payload = {**kept.payload, "sent_at": "2020-01-01T00:00:00+00:00"}
    kept.save()
    Author.objects.get(pk=1).save()
    testing.deliver()
    retry_now()
    testing.deliver()
    assert not Letter.objects.exists()
    assert not Outbox.objects.exists()
    fields = ("pk", "name", "rival_id", "cqrs_revision")
    assert list(AuthorRef.objects.order_by("pk").values_list(*fields)) == list(
        Author.objects.order_by("pk").values_list(*fields)
    )


@pytest.mark.usefixtures("sqlite")
def test_a_question_finds_the_row_under_the_masters_own_spelling_of_its_key():
    Product.objects.create(sku="a", title="t")
    testing.deliver()
    ProductRef.objects.all().delete()
    repair(request(("product", "a", 0)))
    testing.deliver()
    assert ProductRef.objects.get().name == "t"
