"""Whatever arrives, the decoders either understand it or say MessageRefused; nothing else is ever raised."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.batch import Batch, Confirmation, RepairRequest
from celery_cqrs.exceptions import MessageRefused, UnknownWireVersion
from celery_cqrs.message import Message, SignalType
from tests.contracts.test_golden_files import APPLY, CONFIRM, REPAIR, read

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text()
    | st.sampled_from(["", "\x00", "\ud800", "SAVE", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"])
    | st.sampled_from(["2026-01-01", "20260101T000000Z", "2026-01-01T00:00:00+99:99", "24:00", "2026-W01-1", "now"])
)
KEYS = """v reply_to outbox sent_at messages batches signal_type cqrs_id instance_pk id instance_data outbox_ids
cqrs_revision cqrs_updated expires retries meta previous_data queue attempt keys revision captured_at correlation_id"""
keys = st.text() | st.sampled_from(KEYS.split())
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=6
)


DECODERS = [one.from_message for one in (Message, Batch, Confirmation, RepairRequest)]


def decode_all(wire):
    """Read ``wire`` as everything that it could be; returns what was understood."""
    understood = []
    for decoder in DECODERS:
        try:
            understood.append(decoder(wire))
        except MessageRefused as refusal:
            str(refusal).encode("utf-8", "backslashreplace")
    return understood


def places(value, path=()):
    """Every place in a document."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(document, path, replacement):
    """A copy of ``document`` with ``replacement`` at ``path``."""
    if not path:
        return replacement
    copied = copy.deepcopy(document)
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = replacement
    return copied


DOCUMENTS = [read(path) for path in APPLY + CONFIRM + REPAIR]
DOCUMENTS += [message for document in DOCUMENTS for message in document.get("messages", [])]
SPOTS = [(document, place) for document in DOCUMENTS for place in places(document)]


@settings(max_examples=250, deadline=None)
@given(anything)
def test_anything_is_understood_or_refused(wire):
    decode_all(wire)


@settings(max_examples=250, deadline=None)
@given(spot=st.sampled_from(SPOTS), replacement=anything)
def test_a_golden_document_with_anything_anywhere_is_understood_or_refused(spot, replacement):
    document, place = spot
    decode_all(changed(document, place, replacement))


@settings(max_examples=100, deadline=None)
@given(anything)
def test_what_is_understood_can_be_sent_again(wire):
    for value in decode_all(wire):
        json.dumps(value.to_dict())


@settings(max_examples=100, deadline=None)
@given(
    signal_type=st.sampled_from(SignalType),
    pk=st.integers() | st.text(min_size=1),
    revision=st.integers(0, 2**63 - 1),
    extra=st.dictionaries(st.text(), scalars, max_size=4),
    moments=st.none() | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    rows=st.lists(st.integers(0, 2**63 - 1), max_size=4),
)
def test_a_message_survives_decoding_and_encoding(signal_type, pk, revision, extra, moments, rows):
    data = {**extra, "id": pk, "cqrs_revision": revision, "cqrs_updated": "2026-01-01T00:00:00+00:00"}
    wire = {"signal_type": str(signal_type), "cqrs_id": "author", "instance_pk": pk, "instance_data": data}
    wire |= {"outbox_ids": rows, "expires": moments, "previous_data": extra, "meta": extra}
    once = Message.from_message(wire)
    assert Message.from_message(once.to_dict()) == once
    assert once.to_dict()["instance_data"] == data or any(value != value for value in data.values())


def test_a_naive_moment_is_taken_in_the_time_zone_of_the_service(settings):
    settings.TIME_ZONE = "Asia/Kathmandu"
    wire = {**read(APPLY[0])["messages"][0], "expires": "2026-01-01T00:00:00"}
    assert Message.from_message(wire).expires.utcoffset().total_seconds() == 5.75 * 3600


@pytest.mark.parametrize("decoder", DECODERS[1:])
@pytest.mark.parametrize("version", [0, 2, 99, "1", None, True, 1.5])
def test_an_unknown_version_has_an_error_of_its_own(decoder, version):
    with pytest.raises(UnknownWireVersion, match="this service reads 1"):
        decoder({"v": version})


@pytest.mark.parametrize("key", ["queue", "batches"])
def test_a_confirmation_without_a_required_key_is_refused_by_its_name(key):
    wire = read(CONFIRM[0])
    del wire[key]
    with pytest.raises(MessageRefused, match=f'"{key}"'):
        Confirmation.from_message(wire)


@pytest.mark.parametrize("receipt", [None, 7, [], {}, {"outbox": "default"}, {"outbox": "d", "sent_at": "never"}])
def test_a_confirmation_with_a_receipt_that_cannot_be_read_is_refused(receipt):
    with pytest.raises(MessageRefused):
        Confirmation.from_message({"v": 1, "queue": "shop", "batches": [receipt]})
