"""What is sent again, as a pure function of evidence, policy and the time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.master.resend import Evidence, Policy, plan

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
POLICY = Policy(after_seconds=30, max_seconds=900, margin_seconds=5)


def ago(seconds):
    return None if seconds is None else NOW - timedelta(seconds=seconds)


def evidence(*, stamp=None, confirmed=None, probed=None, probe_seconds=None):
    """Everything in seconds before now."""
    return Evidence(ago(stamp), ago(confirmed), ago(probed), probe_seconds)


def is_overdue(todo, *, attempts, sent):
    """Whether a row that was sent so many times, last so many seconds ago, is to be sent again."""
    return any(
        ago(sent) < limit.sent_before and (attempts == limit.attempts or (limit.or_more and attempts > limit.attempts))
        for limit in todo.overdue
    )


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (1_000, 900)]
)
def test_patience_doubles_with_every_attempt_up_to_the_cap(attempts, seconds):
    assert POLICY.delay_seconds(attempts) == seconds


@pytest.mark.parametrize(
    ("attempts", "sent", "stamp", "expected"),
    [
        (1, 31, 1, True),
        (1, 29, 1, False),
        (1, 31, 20, True),
        (1, 31, 27, False),
        (1, 31, 31, False),
        (1, 31, 60, False),
        (2, 31, 1, False),
        (2, 61, 1, True),
        (3, 119, 1, False),
        (3, 121, 1, True),
        (5, 481, 1, True),
        (6, 899, 1, False),
        (6, 901, 1, True),
        (50, 899, 1, False),
        (50, 901, 1, True),
        (1, 100_000, 99_996, False),
        (1, 100_000, 99_990, True),
    ],
)
def test_a_row_is_lost_when_it_has_waited_and_a_later_batch_was_confirmed(attempts, sent, stamp, expected):
    todo = plan(evidence(stamp=stamp, confirmed=0), POLICY, NOW)
    assert is_overdue(todo, attempts=attempts, sent=sent) is expected


def test_without_any_confirmation_nothing_is_known_to_be_lost():
    assert plan(evidence(), POLICY, NOW).overdue == ()


@pytest.mark.parametrize(
    ("confirmed", "probed", "probe_seconds", "expected"),
    [
        (None, None, None, True),
        (29, None, None, False),
        (31, None, None, True),
        (10_000, 29, None, False),
        (10_000, 31, None, True),
        (10_000, 59, 60, False),
        (10_000, 61, 60, True),
        (None, 899, 900, False),
        (None, 901, 900, True),
        (5, 10_000, 900, False),
    ],
)
def test_a_probe_is_due_when_nobody_confirms_and_the_last_one_is_long_ago(confirmed, probed, probe_seconds, expected):
    known = evidence(stamp=confirmed, confirmed=confirmed, probed=probed, probe_seconds=probe_seconds)
    assert (plan(known, POLICY, NOW).probe_before is not None) is expected


def test_a_probe_takes_rows_that_have_had_their_time():
    assert plan(evidence(), POLICY, NOW).probe_before == ago(30)


@pytest.mark.parametrize(
    ("probe_seconds", "following"), [(None, 60), (60, 120), (240, 480), (480, 900), (800, 900), (900, 900)]
)
def test_the_wait_between_probes_doubles_up_to_the_cap(probe_seconds, following):
    known = evidence(probe_seconds=probe_seconds, probed=10_000 if probe_seconds else None)
    assert plan(known, POLICY, NOW).next_probe_seconds == following


def test_a_policy_whose_cap_is_its_first_wait_never_doubles():
    steady = Policy(after_seconds=3, max_seconds=3, margin_seconds=1)
    todo = plan(evidence(stamp=0, confirmed=0), steady, NOW)
    assert [(limit.attempts, limit.or_more) for limit in todo.overdue] == [(1, True)]
    assert is_overdue(todo, attempts=9, sent=4)


SECONDS = st.integers(0, 5_000)
EVIDENCES = st.builds(
    evidence,
    stamp=st.none() | SECONDS,
    confirmed=st.none() | SECONDS,
    probed=st.none() | SECONDS,
    probe_seconds=st.none() | st.floats(1, 900),
)


@settings(max_examples=150, deadline=None)
@given(EVIDENCES, st.integers(1, 12), SECONDS)
def test_nothing_is_called_lost_without_a_later_confirmed_batch_and_its_own_patience(known, attempts, sent):
    proven = known.confirmed_stamp is not None and ago(sent) < known.confirmed_stamp - timedelta(seconds=5)
    waited = sent > POLICY.delay_seconds(attempts)
    assert is_overdue(plan(known, POLICY, NOW), attempts=attempts, sent=sent) is (proven and waited)


@settings(max_examples=150, deadline=None)
@given(EVIDENCES, st.integers(1, 12))
def test_what_is_sent_again_now_would_be_sent_again_later_too(known, attempts):
    now, later = plan(known, POLICY, NOW), plan(known, POLICY, NOW + timedelta(seconds=60))
    pairs = zip(now.overdue, later.overdue, strict=True)
    assert all(after.sent_before >= before.sent_before for before, after in pairs)
    assert later.probe_before is not None or now.probe_before is None or attempts == 0
