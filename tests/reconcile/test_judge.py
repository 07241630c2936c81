"""Two looks decide: what one side lacks of the other's past is drift, what is on its way is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs.reconcile.bodies import Sight
from celery_cqrs.reconcile.judge import Drift, Suspect, Verdict, judge
from celery_cqrs.reconcile.rows import RowState

KEY = "7"


def verdict(first, sight, now):
    """``first`` are the revisions of master and replica at the first look; a row is (revision, content)."""
    seen = Sight(KEY, *sight) if isinstance(sight, tuple) else sight
    return judge(Suspect(KEY, *first), seen, now and RowState(KEY, *now))


@pytest.mark.parametrize(
    ("first", "sight", "now", "expected"),
    [
        ((3, None), (None,), (3, None), Verdict(KEY, Drift.MISSING, -1)),
        ((3, None), (None, None, 2), (3, None), Verdict(KEY, Drift.MISSING, 2)),
        ((3, None), (None, None, 3), (3, None), Verdict(KEY, Drift.MISSING, 3, needs_lift=True)),
        ((3, None), (None,), None, None),
        ((3, None), (None, None, 4), (5, None), None),
        ((None, 3), (3, None), None, Verdict(KEY, Drift.EXTRA, 3)),
        ((None, 3), (3, None, 5), None, Verdict(KEY, Drift.EXTRA, 5)),
        ((None, 3), (None, None, 4), None, None),
        ((None, 3), (3, None), (0, None), None),
        ((5, 3), (3, None), (5, None), Verdict(KEY, Drift.STALE, 3)),
        ((5, 3), (4, None), (6, None), Verdict(KEY, Drift.STALE, 4)),
        ((5, 3), (5, None), (6, None), None),
        ((5, 3), (6, None), (6, None), None),
        ((5, 3), (3, None, 9), (5, None), Verdict(KEY, Drift.STALE, 9, needs_lift=True)),
        ((3, 8), (8, None), (3, None), Verdict(KEY, Drift.AHEAD, 8, needs_lift=True)),
        ((3, 8), (8, None), (8, None), None),
        ((3, 3), (4, None), (3, None), None),
        ((3, 3), (3, "a"), (3, "b"), Verdict(KEY, Drift.CONTENT, 3, needs_lift=True)),
        ((3, 3), (3, "a"), (3, "a"), None),
        ((3, 3), (3, "a"), (4, "b"), None),
        ((3, 3), (3, None), (3, "b"), None),
    ],
)
def test_each_kind_of_drift_has_its_rule(first, sight, now, expected):
    assert verdict(first, sight, now) == expected


def test_a_row_whose_message_is_kept_as_a_letter_is_counted_as_that():
    assert verdict((5, 3), Sight(KEY, 3, has_letter=True), (5, None)) == Verdict(KEY, Drift.LETTER, 3)
    assert verdict((5, 3), Sight(KEY, 5, has_letter=True), (5, None)) is None


revisions = st.integers(0, 5)
perhaps = st.none() | revisions


@given(first=perhaps, lag=revisions, later=revisions, sight_lag=revisions)
def test_a_replica_that_has_all_of_the_first_look_is_never_found_wrong(first, lag, later, sight_lag):
    """Whatever a writer does meanwhile: revisions rise, and the replica has had what was there at the first look."""
    then = first or 0
    replica = max(0, then - lag)
    seen = then + min(sight_lag, later)
    assert verdict((then, replica), (seen, "a"), (then + later, "a")) is None


@given(replica=perhaps, sight=perhaps, tombstone=perhaps, now=perhaps)
def test_a_row_that_the_master_did_not_have_is_never_brought_to_life(replica, sight, tombstone, now):
    """It can only be an extra one, and only when the master has it at neither look."""
    found = verdict((None, replica), (sight, None, tombstone), None if now is None else (now, None))
    assert found is None or (found.kind is Drift.EXTRA and now is None and None not in (replica, sight))
