"""Whatever the master lives through and the transport does to it, step by step, as hypothesis thinks of it."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from celery_cqrs import testing
from celery_cqrs.master import bundles
from tests.conftest import each_database
from tests.convergence.master import CHANGES, Life
from tests.convergence.models import MASTERS, Step, wipe
from tests.convergence.run import SETTINGS, is_quiet, pass_time
from tests.convergence.storm import StepwiseStorm, Weather
from tests.convergence.verdict import unfinished, unlike
from tests.convergence.watch import steps_back, watched

SEEDS = st.integers(0, 1_000)
STEPS = st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.sampled_from(MASTERS)), min_size=1, max_size=3)
SAVEPOINTS = st.lists(st.tuples(STEPS, st.just(True) | st.booleans()), min_size=1, max_size=3)
CALM = Weather(lost=0, extras=(1.0,), split=0, delayed=0)
WILD = Weather(lost=0.2, delayed=0.3, overtaken_by=5)
ROUNDS = 20
FEW, MANY = 3, 2 * bundles.LEAST_KEYS
"""With so many keys, bulk changes of all of them and of half of them go in bundles."""


class AnyWeather(RuleBasedStateMachine):
    """A master with a few keys of each model, and a replica that gets what comes through, when it comes."""

    using = "default"
    keys = FEW

    def __init__(self) -> None:
        super().__init__()
        wipe(self.using)
        StepwiseStorm.begin(Random(0), WILD)
        StepwiseStorm.close()
        self.life = Life(Random(0), self.using, keys=self.keys)

    @rule(savepoints=SAVEPOINTS, kept=st.just(True) | st.booleans(), seed=SEEDS)
    def live(self, savepoints: Any, kept: bool, seed: int) -> None:
        """One transaction, published at its end."""
        self.life.chance = StepwiseStorm.chance = Random(seed)
        with self.life.ending(kept=kept):
            for steps, is_kept in savepoints:
                with self.life.ending(kept=is_kept):
                    for name, model in steps:
                        self.life.change(name, model)

    @rule(most=st.integers(1, 10), seed=SEEDS)
    def deliver(self, most: int | None, seed: int) -> None:
        """Some of what is under way, and what comes of it."""
        StepwiseStorm.chance = Random(seed)
        for envelope in islice(iter(StepwiseStorm.take, None), most):
            testing.deliver_one(envelope)

    @rule(seed=SEEDS)
    def wait(self, seed: int) -> None:
        """So long that what was lost is sent again, and what failed is tried again."""
        StepwiseStorm.chance = Random(seed)
        pass_time(self.using)

    @invariant()
    def nothing_goes_back(self) -> None:
        """What the triggers have seen."""
        assert steps_back(Step.objects.order_by("id")) == []

    def teardown(self) -> None:
        """The weather clears up: in the end both sides are equal."""
        StepwiseStorm.weather = CALM
        for _ in range(ROUNDS):
            if is_quiet():
                break
            pass_time(self.using)
            self.deliver(most=None, seed=0)
        self.nothing_goes_back()
        assert [*unlike(), *unfinished()] == []


@pytest.mark.parametrize(
    ("database", "keys", "examples"),
    [
        pytest.param(*one.values, keys, examples, marks=one.marks, id=f"{one.id or one.values[0]}-{keys}")
        for keys, each in ((FEW, [15, 5, 5]), (MANY, [2, 3, 2]))
        for one, examples in zip(each_database(commits=True), each, strict=True)
    ],
    indirect=["database"],
)
@pytest.mark.timeout(600)
def test_in_any_weather_no_row_goes_back_and_all_ends_equal(
    database: str, keys: int, examples: int, configure: Any
) -> None:
    configure(**SETTINGS)
    configure(transport="tests.convergence.storm.StepwiseStorm", master={"publish": "commit"})
    machine = type("AnyWeather", (AnyWeather,), {"using": database, "keys": keys})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    with watched(database):
        run_state_machine_as_test(machine, settings=chosen)
