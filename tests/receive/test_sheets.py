"""A sheet checks what messages check: whatever it takes, each of them could be read, and says the same."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.message import Message
from celery_cqrs.replica import sheet
from tests.receive.wire import author, message, product

ENVELOPE = {"queue": None, "sent_at": None, "reply_to": "atlas", "outbox": "default"}
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.just("2026-01-02T03:04:05+00:00"),
    st.lists(st.integers(-1, 3), max_size=2),
    st.dictionaries(st.sampled_from(["id", "cqrs_revision", "cqrs_updated"]), st.integers(-1, 3), max_size=3),
)
NAMES = ["signal_type", "cqrs_id", "instance_pk", "instance_data", "outbox_ids", "previous_data", "meta", "expires"]
NAMES += ["captured_at", "retries", "correlation_id"]
CHANGES = st.tuples(st.integers(0, 3), st.sampled_from(NAMES), ANYTHING, st.booleans())


def changed(wires, changes):
    """Copies of ``wires`` with other values under some names, or without them."""
    wires = copy.deepcopy(wires)
    for index, name, value, removes in changes:
        wires[index].pop(name, None)
        if not removes:
            wires[index][name] = value
    return wires


def test_messages_that_are_alike_are_a_sheet():
    wires = [author(pk, revision=pk) for pk in range(1, 4)]
    read = sheet.read(wires)
    assert (str(read.signal_type), read.cqrs_id, list(read.pks)) == ("SAVE", "author", [1, 2, 3])
    assert read.outbox_ids == [101, 202, 303] and read.expires is None
    assert [one["name"] for one in read.data] == ["name at 1", "name at 2", "name at 3"]


def test_the_first_to_expire_counts_for_all():
    early, late = "2026-01-02T03:04:05+00:00", "2027-01-02T03:04:05+00:00"
    read = sheet.read([{**author(1), "expires": late}, {**author(2), "expires": early}, author(3)])
    assert read.expires.year == 2026


@pytest.mark.parametrize(
    "wires",
    [
        pytest.param([author(1), product("a")], id="two models"),
        pytest.param([author(1), author(2, signal_type="SYNC")], id="two kinds"),
        pytest.param([message("author", 1, signal_type="DELETE")], id="a deletion"),
        pytest.param([author(1), author(2, more="than the others")], id="other names"),
        pytest.param([author(1), None], id="no message at all"),
        pytest.param([{**author(1), "instance_data": {"id": 1, "cqrs_revision": 0}}], id="no time"),
        pytest.param([{**author(1), "outbox_ids": [-1]}], id="no outbox row"),
        pytest.param([{**author(1), "expires": "tomorrow"}], id="no moment"),
        pytest.param([{**author(1), "retries": 2**31}], id="too many retries"),
        pytest.param([{**author(1), "meta": "who"}], id="no meta"),
    ],
)
def test_what_is_unusual_is_no_sheet(wires):
    assert sheet.read(wires) is None


@settings(max_examples=500, deadline=None)
@given(changes=st.lists(CHANGES, max_size=3))
def test_every_message_of_a_sheet_can_be_read_and_says_what_the_sheet_says(changes):
    wires = changed([author(pk) for pk in range(1, 5)], changes)
    read = sheet.read(wires)
    if read is None:
        return
    messages = list(sheet.Decoded(wires, ENVELOPE))
    assert {(one.signal_type, one.cqrs_id) for one in messages} == {(read.signal_type, read.cqrs_id)}
    assert [one.instance_pk for one in messages] == list(read.pks)
    assert [one.instance_data for one in messages] == list(read.data)
    assert [row_id for one in messages for row_id in one.outbox_ids] == list(read.outbox_ids)
    assert min((one.expires for one in messages if one.expires), default=None) == read.expires


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(CHANGES, max_size=1))
def test_what_no_message_can_say_is_in_no_sheet(changes):
    wires = changed([author(pk) for pk in range(1, 5)], changes)
    try:
        for wire in wires:
            Message.from_message(wire, **ENVELOPE)
    except MessageRefused:
        assert sheet.read(wires) is None


def test_messages_are_decoded_once_and_only_those_that_are_looked_at():
    wires = [author(1), {"not": "decodable"}, author(3)]
    decoded = sheet.Decoded(wires, ENVELOPE)
    assert len(decoded) == 3 and decoded[0] is decoded[0] and decoded[-1].instance_pk == 3
    with pytest.raises(MessageRefused):
        decoded[1]


def test_a_sheet_without_some_of_its_messages():
    decoded = sheet.Decoded([author(pk) for pk in range(1, 5)], ENVELOPE)
    assert [one.instance_pk for one in decoded.without({0, 2})] == [2, 4]
    assert decoded.without(()) is decoded and [one.instance_pk for one in decoded[1:3]] == [2, 3]
