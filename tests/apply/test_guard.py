"""The guard decides by three numbers whether a message may be written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.message import Message, SignalType
from celery_cqrs.outcome import Reason
from celery_cqrs.replica.guard import judge, missing_revisions

pytestmark = pytest.mark.usefixtures("each_path")

SAVE, DELETE, SYNC = SignalType.SAVE, SignalType.DELETE, SignalType.SYNC
DUPLICATE, WRONG_ORDER, DELETED = Reason.DUPLICATE, Reason.WRONG_ORDER, Reason.DELETED

revisions = st.integers(0, 6)
signal_types = st.sampled_from(SignalType)


def message(signal_type: SignalType, revision: int) -> Message:
    return Message(signal_type, "author", {"cqrs_revision": revision}, 1)


def reason(signal_type, revision, row, tombstone):
    refusal = judge(message(signal_type, revision), row, tombstone)
    return refusal and refusal.reason


@pytest.mark.parametrize(
    ("signal_type", "revision", "row", "tombstone", "expected"),
    [
        # nothing is known of the key
        (SAVE, 0, None, None, None),
        (SYNC, 0, None, None, None),
        (DELETE, 0, None, None, None),
        # the row is there
        (SAVE, 3, 2, None, None),
        (SAVE, 3, 3, None, DUPLICATE),
        (SAVE, 3, 4, None, WRONG_ORDER),
        (SYNC, 3, 2, None, None),
        (SYNC, 3, 3, None, None),
        (SYNC, 3, 4, None, WRONG_ORDER),
        (DELETE, 3, 2, None, None),
        (DELETE, 3, 3, None, None),
        (DELETE, 3, 4, None, WRONG_ORDER),
        # the row was deleted
        (SAVE, 3, None, 2, None),
        (SAVE, 3, None, 3, DELETED),
        (SAVE, 3, None, 4, DELETED),
        (SYNC, 3, None, 2, None),
        (SYNC, 3, None, 3, None),
        (SYNC, 3, None, 4, DELETED),
        (DELETE, 3, None, 2, None),
        (DELETE, 3, None, 3, DUPLICATE),
        (DELETE, 3, None, 4, DUPLICATE),
        # it was deleted and created again, above its tombstone
        (SAVE, 5, 4, 2, None),
        (SAVE, 4, 4, 2, DUPLICATE),
        (SAVE, 1, 4, 2, DELETED),
        (DELETE, 2, 4, 2, WRONG_ORDER),
        (DELETE, 4, 4, 2, None),
        (SYNC, 4, 4, 2, None),
        # revision 0 is a revision like any other
        (SAVE, 0, 0, None, DUPLICATE),
        (SAVE, 0, None, 0, DELETED),
        (DELETE, 0, None, 0, DUPLICATE),
        # a placeholder is no tombstone
        (SAVE, 0, None, -1, None),
        (DELETE, 0, None, -1, None),
    ],
)
def test_the_guard_says_why_a_message_is_refused(signal_type, revision, row, tombstone, expected):
    assert reason(signal_type, revision, row, tombstone) == expected


def play(row: int | None, tombstone: int | None, history: list[Message]):
    """What a replica with no more than the guard makes of a history: each state of row and tombstone."""
    for one in history:
        if judge(one, row, tombstone) is None:
            if one.signal_type is DELETE:
                row, tombstone = None, max(one.revision, -1 if tombstone is None else tombstone)
            else:
                row = one.revision
        yield one, row, tombstone


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(message, signal_types, revisions), max_size=30))
def test_no_history_lowers_a_revision_or_a_tombstone(history):
    highest, grave = -1, -1
    for _, row, tombstone in play(None, None, history):
        if row is not None:
            assert row >= highest
            highest = row
        assert (-1 if tombstone is None else tombstone) >= grave
        grave = -1 if tombstone is None else tombstone


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(message, signal_types, revisions), max_size=30))
def test_no_save_brings_a_row_back_at_or_below_its_tombstone(history):
    before = None
    for one, row, tombstone in play(None, None, history):
        if before is None and row is not None and tombstone is not None:
            assert row > tombstone or (one.signal_type is SYNC and row == tombstone)
        before = row


@st.composite
def lives(draw):
    """The messages of one key as a master makes them: revisions rise, a DELETE ends a life, a SAVE begins another."""
    is_there, made = False, []
    for revision in range(draw(st.integers(1, 8))):
        is_there = draw(st.booleans()) or not is_there
        made.append(message(SAVE if is_there else DELETE, revision))
    return made


@settings(max_examples=300, deadline=None)
@given(lives(), st.data())
def test_any_order_with_any_duplicates_ends_in_the_same_state(history, data):
    duplicates = data.draw(st.lists(st.sampled_from(history), max_size=6))
    shuffled = data.draw(st.permutations([*history, *duplicates]))
    *_, (last, row, _) = play(None, None, shuffled)
    newest = history[-1]
    assert row == (newest.revision if newest.signal_type is SAVE else None)
    assert last in history


@settings(max_examples=200, deadline=None)
@given(signal_types, revisions, st.none() | revisions, st.none() | revisions)
def test_what_was_applied_once_changes_nothing_the_second_time(signal_type, revision, row, tombstone):
    one = message(signal_type, revision)
    states = [state[1:] for state in play(row, tombstone, [one, one])]
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("signal_type", "revision", "row", "count"),
    [(SAVE, 5, 4, 0), (SAVE, 5, 3, 1), (SAVE, 5, 0, 4), (SAVE, 5, None, 0), (SYNC, 5, 0, 0), (DELETE, 5, 0, 0)],
)
def test_the_revisions_that_were_missed_are_counted(signal_type, revision, row, count):
    assert missing_revisions(message(signal_type, revision), row) == count
