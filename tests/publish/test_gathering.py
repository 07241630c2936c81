"""Few changes are published at once; where hundreds a second come, they gather."""

from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs.master.gathering import LONGEST_SECONDS, Gathering


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def waits(rate, *, seconds=5, drain_seconds=0.004):
    """How long each drain let changes gather that come so many a second."""
    clock, told, left = Clock(), [], 0.0
    gathering = Gathering(clock)
    while clock.now < 1_000 + seconds:
        pause = drain_seconds + (told[-1] if told else 0)
        clock.now += pause
        left += rate * pause
        told.append(gathering.seconds(int(left)))
        left -= int(left)
    return told


def test_a_hundred_changes_a_second_wait_for_nobody():
    assert set(waits(100)) == {0.0}


def test_six_hundred_a_second_go_in_some_twenty_batches():
    assert waits(600)[-1] == LONGEST_SECONDS
    assert len(waits(600, seconds=10)) - len(waits(600, seconds=9)) <= 25


def test_between_them_the_pause_grows_with_the_rate():
    last = [waits(rate)[-1] for rate in (200, 250, 300, 350, 400)]
    assert last == sorted(last) and last[0] < last[2] < last[-1]


def test_a_burst_is_soon_forgotten():
    clock = Clock()
    gathering = Gathering(clock)
    clock.now += 0.3
    assert gathering.seconds(2_000) == LONGEST_SECONDS
    clock.now += 0.3
    assert gathering.seconds(1) == 0.0


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1_000_000)), max_size=20))
def test_a_pause_is_never_longer_than_a_twentieth_of_a_second(drains):
    clock = Clock()
    gathering = Gathering(clock)
    for elapsed, changes in drains:
        clock.now += elapsed
        assert 0 <= gathering.seconds(changes) <= LONGEST_SECONDS
