"""The figures by name: what each measures, with how many rows, and what it should reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.apply import backlog
from tests.benchmarks.arena import Arena
from tests.benchmarks.end_to_end import end_to_end
from tests.benchmarks.turns import Measure
from tests.benchmarks.write import writing

Measures = Mapping[str, Measure]
BROKERS = ("redis", "rabbitmq")


@dataclass(frozen=True)
class Target:
    """Ours should be so many times ``of`` ("theirs", "limit" or "1"), at least or ``at_most``."""

    times: float
    of: str = "1"
    at_most: bool = False

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.times:,.0f}" if self.of == "1" else f"{sign} {self.times:g} × {self.of}"

    def is_met(self, ours: float, other: float) -> bool:
        """Whether ours is good enough."""
        return ours <= self.times * other if self.at_most else ours >= self.times * other


@dataclass(frozen=True)
class Figure:
    """``measures`` are "ours", "theirs" and "limit"; ``rows`` says how many each of them takes."""

    name: str
    unit: str
    measures: Callable[[Arena, Mapping[str, int]], Measures]
    rows: Mapping[str, int]
    target: Target
    brokers: tuple[str, ...] = BROKERS


BACKLOG = {"ours": 100_000, "theirs": 5_000, "limit": 100_000}
TWICE = {"ours": 100_000, "theirs": 8_000, "limit": 100_000}
HOOKS = {"ours": 10_000, "theirs": 5_000, "limit": 20_000}
CREATED = {"ours": 10_000, "theirs": 2_000, "limit": 10_000}
CHAIN = {"ours": 50_000, "theirs": 3_000, "limit": 20_000}
SAVED = {"ours": 1_000, "theirs": 1_000, "limit": 1_000}

FIGURES = (
    Figure("apply_backlog", "rows/s", backlog(), BACKLOG, Target(50, "theirs")),
    Figure("apply_backlog_threads", "rows/s", backlog(threads=2), BACKLOG, Target(50, "theirs")),
    Figure("apply_backlog_2", "rows/s", backlog(processes=2), TWICE, Target(50, "theirs")),
    Figure("apply_hooks", "rows/s", backlog(role="hooked"), HOOKS, Target(3, "theirs")),
    Figure("bulk_create", "rows/s", writing("bulk_create"), CREATED, Target(0.5, "limit")),
    *(
        Figure(f"{name}_{mode}", "ms", writing(way, mode=mode), SAVED, Target(times, "limit", at_most=True))
        for mode in ("relay", "commit")
        for name, way, times in (
            ("save", "save", 2.2),
            ("create_inside", "create_inside", 1.6),
            ("update_inside", "update_inside", 2.0),
        )
    ),
    Figure("end_to_end_bulk", "rows/s", end_to_end, CHAIN, Target(10_000)),
)
