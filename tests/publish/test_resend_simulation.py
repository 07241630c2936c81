"""Whole outages, played with the real plan: nothing stays undelivered, and nobody is flooded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish.simulation import Weather, simulate


def test_in_fair_weather_nothing_is_sent_twice():
    outcome = simulate(Weather(), seconds=1_800)
    assert (outcome.duplicates, outcome.undelivered) == (0, 0) and outcome.quiet_after <= 1


def test_batches_lost_now_and_then_are_sent_again_and_no_others():
    outcome = simulate(Weather(loss=0.05), seconds=3_600)
    assert (outcome.duplicates, outcome.undelivered) == (0, 0) and outcome.quiet_after is not None


def test_a_replica_that_is_down_for_an_hour_gets_few_duplicates():
    outcome = simulate(Weather(down=[(1_000, 4_600)]), seconds=7_200)
    assert outcome.undelivered == 0 and outcome.duplicates <= 5_000
    assert outcome.quiet_after <= 60


def test_a_replica_that_is_down_for_a_night_gets_few_duplicates():
    outcome = simulate(Weather(down=[(600, 30_000)]), seconds=33_000, capacity=40)
    assert outcome.undelivered == 0 and outcome.duplicates <= 60_000


def test_a_broker_that_forgets_all_in_an_outage_loses_nothing():
    outcome = simulate(Weather(down=[(1_000, 4_600)], flushed={4_000}), seconds=7_200)
    assert outcome.undelivered == 0 and outcome.duplicates <= 5_000


def test_what_a_broker_has_forgotten_before_all_falls_silent_is_back_within_a_minute():
    outcome = simulate(Weather(flushed={599}), seconds=600)
    assert outcome.undelivered == 0 and outcome.quiet_after <= 60


def test_what_a_broker_has_forgotten_in_an_outage_of_a_silent_system_is_back_with_the_next_probe():
    outcome = simulate(Weather(down=[(590, 1_800)], flushed={1_500}), seconds=600)
    assert outcome.undelivered == 0 and outcome.quiet_after <= 1_200 + 900 + 60


def test_a_replica_that_is_slow_to_catch_up_gets_few_duplicates():
    outcome = simulate(Weather(down=[(600, 1_500)]), seconds=3_600, rate=3, capacity=5)
    assert outcome.undelivered == 0 and outcome.duplicates <= 5_000


def test_a_replica_that_never_comes_back_is_asked_a_handful_of_times():
    outcome = simulate(Weather(down=[(1_000, 10**9)]), seconds=7_200, tail=600)
    assert outcome.quiet_after is None and outcome.duplicates == 0


OUTAGES = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 400)), max_size=3)


@settings(max_examples=40, deadline=None)
@given(OUTAGES, st.sets(st.integers(0, 700), max_size=3), st.sampled_from([0.0, 0.02, 0.3]))
def test_in_any_weather_everything_is_delivered_and_confirmed_in_the_end(outages, flushed, loss):
    down = [(start, start + length) for start, length in outages]
    outcome = simulate(Weather(down, flushed, loss), seconds=700, tail=20_000)
    assert outcome.undelivered == 0 and outcome.quiet_after is not None
