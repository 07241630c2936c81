"""The figures by name: what each measures, with how many rows, and what it should reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.apply import backlog
from tests.benchmarks.arena import Arena
from tests.benchmarks.turns import Measure

Measures = Mapping[str, Measure]
BROKERS = ("redis", "rabbitmq")


@dataclass(frozen=True)
class Figure:
    """``measures`` are "ours", "theirs" and "limit"; ``rows`` says how many each of them takes."""

    name: str
    unit: str
    measures: Callable[[Arena, Mapping[str, int]], Measures]
    rows: Mapping[str, int]
    target: float
    brokers: tuple[str, ...] = BROKERS


FIGURES = (
    Figure("apply_backlog", "rows/s", backlog(), {"ours": 100_000, "theirs": 5_000, "limit": 100_000}, 50),
    Figure(
        "apply_backlog_2",
        "rows/s",
        backlog(processes=2),
        {"ours": 100_000, "theirs": 8_000, "limit": 100_000},
        50,
    ),
    Figure("apply_hooks", "rows/s", backlog(role="hooked"), {"ours": 10_000, "theirs": 5_000, "limit": 20_000}, 3),
)
