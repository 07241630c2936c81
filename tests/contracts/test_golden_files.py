"""The wire format, version 1, as files: what was once sent is understood for ever, and what is sent now looks the same.

The files are append-only. A new key or a new case is a new file with a new line in SHA256SUMS; none is ever changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from django.utils import timezone

from celery_cqrs.batch import Batch, Confirmation, RepairRequest
from celery_cqrs.master.confirm import confirm
from celery_cqrs.master.repair import repair
from celery_cqrs.message import Message
from celery_cqrs.models import Letter, Outbox
from celery_cqrs.replica.receive import receive
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, BoxRef, Product, ProductRef
from tests.receive.wire import confirmations

GOLDEN = Path(__file__).parent / "golden"
APPLY = sorted(GOLDEN.glob("v*/apply*.json"))
CONFIRM = sorted(GOLDEN.glob("v*/confirm*.json"))
REPAIR = sorted(GOLDEN.glob("v*/repair*.json"))


def name_of(path):
    return f"{path.parent.name}/{path.name}"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def apply_golden(name):
    """Receive a golden batch as if it had been sent just now; returns its stamp."""
    stamp = timezone.now().isoformat()
    receive({**read(GOLDEN / "v1" / name), "sent_at": stamp})
    return stamp


def with_unknown_keys(value):
    """``value`` with a key from the future in each of its objects, except in free-form ones."""
    if isinstance(value, list):
        return [with_unknown_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {**{key: with_unknown_keys(item) for key, item in value.items()}, "from_the_future": {"v": 2}}


def test_no_golden_file_was_changed_or_taken_away():
    lines = (GOLDEN / "SHA256SUMS").read_text(encoding="utf-8").split("\n")
    expected = {line.split()[1]: line.split()[0] for line in lines if line}
    found = {name_of(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN.glob("v*/*.json")}
    assert found == expected


@pytest.mark.parametrize("path", APPLY, ids=name_of)
def test_a_batch_is_encoded_as_it_was_decoded(path):
    wire = read(path)
    assert Batch.from_message(wire).to_dict() == wire


@pytest.mark.parametrize("path", APPLY, ids=name_of)
def test_a_message_is_encoded_as_it_was_decoded(path):
    for wire in read(path)["messages"]:
        assert Message.from_message(wire).to_dict() == wire


@pytest.mark.parametrize("path", CONFIRM, ids=name_of)
def test_a_confirmation_is_encoded_as_it_was_decoded(path):
    wire = read(path)
    assert Confirmation.from_message(wire).to_dict() == wire


@pytest.mark.parametrize("path", REPAIR, ids=name_of)
def test_a_question_is_encoded_as_it_was_decoded_and_unknown_keys_are_ignored(path):
    wire = read(path)
    assert RepairRequest.from_message(wire).to_dict() == wire
    assert RepairRequest.from_message(with_unknown_keys(wire)).to_dict() == wire


def test_a_question_may_lack_the_revision_that_the_replica_knows():
    wire = read(GOLDEN / "v1" / "repair.json")
    del wire["keys"][0]["revision"]
    assert RepairRequest.from_message(wire).keys[0].revision == 0


@pytest.mark.parametrize("path", APPLY, ids=name_of)
def test_unknown_keys_anywhere_in_a_batch_are_ignored(path):
    wire = with_unknown_keys(read(path))
    for message in Batch.from_message(wire).messages:
        assert Message.from_message(message).cqrs_id


@pytest.mark.parametrize("path", CONFIRM, ids=name_of)
def test_unknown_keys_anywhere_in_a_confirmation_are_ignored(path):
    wire = read(path)
    assert Confirmation.from_message(with_unknown_keys(wire)).to_dict() == wire


@pytest.mark.parametrize(
    "key", ["previous_data", "meta", "correlation_id", "captured_at", "expires", "retries", "outbox_ids"]
)
def test_a_message_of_an_older_master_may_lack_what_is_not_needed(key):
    wire = read(GOLDEN / "v1" / "apply_save.json")["messages"][0]
    del wire[key]
    assert Message.from_message(wire).revision == 3


@pytest.mark.parametrize("key", ["attempt", "queue"])
def test_a_batch_of_an_older_master_may_lack_what_is_not_needed(key):
    wire = read(GOLDEN / "v1" / "apply_save.json")
    del wire[key]
    assert len(Batch.from_message(wire).messages) == 1


def test_the_golden_save_makes_this_row(database):
    apply_golden("apply_save.json")
    row = AuthorRef.objects.get()
    assert (row.pk, row.name, row.born.isoformat(), row.cqrs_revision) == (17, "Zoë 漢字 👩‍👩‍👧", "1899-12-31", 3)
    assert row.cqrs_updated.isoformat() == "2026-01-02T03:04:05.000006+00:00"


def test_the_golden_save_is_confirmed_by_its_stamp_and_rows(database):
    stamp = apply_golden("apply_save.json")
    assert confirmations() == [{"outbox": "default", "sent_at": stamp, "outbox_ids": [17, 23]}]


def test_the_golden_delete_takes_the_row_away(database):
    apply_golden("apply_save.json")
    apply_golden("apply_delete.json")
    assert not AuthorRef.objects.exists()
    assert confirmations()[-1]["outbox"] == "archive"


def test_the_golden_sync_keeps_every_digit(database):
    apply_golden("apply_direct_sync.json")
    price = ProductRef.objects.get(code="A-1").price
    if database != "default":  # SQLite keeps decimals as floats
        assert str(price) == "12345678901.00000001"


def test_the_golden_mixed_batch_finds_the_parent_of_its_first_message(database):
    apply_golden("apply_mixed.json")
    assert BoxRef.objects.get().shelf.label == "a shelf"
    assert not Letter.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_a_master_sends_has_the_keys_of_the_golden_files():
    Author.objects.create(name="Ann")
    Product.objects.create(sku="a", title="t").delete()
    golden = read(GOLDEN / "v1" / "apply_save.json")
    for envelope in MemoryTransport.queues["replica"]:
        assert envelope.payload.keys() == golden.keys()
        for message in envelope.payload["messages"]:
            assert message.keys() == golden["messages"][0].keys()


@pytest.mark.django_db(transaction=True)
def test_what_a_replica_confirms_has_the_keys_of_the_golden_file_and_is_understood():
    Author.objects.create(name="Ann")
    receive(MemoryTransport.queues["replica"].popleft().payload)
    (answer,) = MemoryTransport.queues["replica"]
    golden = read(GOLDEN / "v1" / "confirm.json")
    assert answer.payload.keys() == golden.keys()
    assert answer.payload["batches"][0].keys() == golden["batches"][0].keys()
    confirm(answer.payload)
    assert not Outbox.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_a_replica_asks_has_the_keys_of_the_golden_file(configure):
    configure(tombstone_seconds=0.000001)
    Author.objects.create(id=17, name="Ann")
    receive(MemoryTransport.queues["replica"].popleft().payload)
    (question,) = MemoryTransport.queues["replica"]
    golden = read(GOLDEN / "v1" / "repair.json")
    assert question.payload.keys() == golden.keys()
    assert question.payload["keys"][0].keys() == golden["keys"][0].keys()


@pytest.mark.django_db(transaction=True)
def test_the_golden_question_is_answered_by_an_outbox_row_for_each_key(configure):
    configure(master={"replicas": {"shop": "__all__"}})
    repair(read(GOLDEN / "v1" / "repair.json"))
    rows = Outbox.objects.order_by("id").values_list("queue", "signal_type", "cqrs_id", "pk_text", "revision")
    assert list(rows) == [("shop", "DELETE", "author", "17", 3), ("shop", "DELETE", "product", "A-1", 0)]
