"""The figures by name: what each measures, with how many rows, and what it should reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.apply import backlog
from tests.benchmarks.arena import Arena
from tests.benchmarks.end_to_end import end_to_end, growth
from tests.benchmarks.fill import dumping, live_beside_sync, loading, syncing
from tests.benchmarks.latency import latency, single
from tests.benchmarks.memory import memory
from tests.benchmarks.reconcile import reconcile, reconcile_bytes, reconcile_memory
from tests.benchmarks.turns import Measure
from tests.benchmarks.write import writing

Measures = Mapping[str, Measure]
BROKERS = ("redis", "rabbitmq")
REDIS, RABBITMQ = BROKERS[:1], BROKERS[1:]


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
    turns: int = 2
    """At most so many, so that all of it takes no longer than half an hour."""


BACKLOG = {"ours": 100_000, "theirs": 5_000, "limit": 100_000}
TWICE = {"ours": 100_000, "theirs": 8_000, "limit": 100_000}
HOOKS = {"ours": 10_000, "theirs": 5_000, "limit": 20_000}
CREATED = {"ours": 20_000, "theirs": 2_000}
CHAIN = {"ours": 200_000, "theirs": 3_000, "limit": 200_000}
SINGLE = {"ours": 5_000, "theirs": 2_000, "limit": 4_000}
WAITED = {"ours": 6_000, "theirs": 6_000, "limit": 500}
DUMPED = {"ours": 500_000, "theirs": 50_000, "limit": 500_000}
LOADED = {"ours": 500_000, "theirs": 10_000, "limit": 200_000}
SYNCED = {"ours": 1_000_000, "theirs": 3_000, "limit": 100_000}
EQUAL = {"ours": 1_000_000, "theirs": 200_000}
SAVED = {"ours": 1_000, "theirs": 400}

FIGURES = (
    Figure("apply_backlog", "rows/s", backlog(), BACKLOG, Target(50, "theirs")),
    Figure("apply_backlog_threads", "rows/s", backlog(threads=2), BACKLOG, Target(50, "theirs"), RABBITMQ, turns=1),
    Figure("apply_backlog_2", "rows/s", backlog(processes=2), TWICE, Target(50, "theirs")),
    Figure("apply_hooks", "rows/s", backlog(role="hooked"), HOOKS, Target(3, "theirs"), REDIS),
    Figure("bulk_create", "rows/s", writing("bulk_create"), CREATED, Target(0.5, "limit"), REDIS, turns=4),
    *(
        Figure(f"{name}_{mode}", "ms", writing(way, mode=mode), SAVED, Target(times, "limit", at_most=True), brokers)
        for mode, brokers in (("relay", REDIS), ("commit", BROKERS))  # by relay these processes publish nothing
        for name, way, times in (
            ("save", "save", 2.2),
            ("create_inside", "create_inside", 1.6),
            ("update_inside", "update_inside", 2.0),
        )
    ),
    Figure("end_to_end_bulk", "rows/s", end_to_end, CHAIN, Target(10_000)),
    Figure("end_to_end_single", "rows/s", single, SINGLE, Target(3, "theirs")),
    *(
        Figure(f"latency_{mode}_p{percent}", "ms", latency(mode, percent), WAITED, Target(1.5, "theirs", True), turns=1)
        for mode in ("commit", "relay")
        for percent in (50, 99)
    ),
    *(
        Figure(f"growth_{rows}", "rows/s", growth, {"ours": rows}, Target(10_000), REDIS, turns=1)
        for rows in (1_000, 10_000, 100_000, 1_000_000)
    ),
    *(
        Figure(f"memory_{role}", "MB", memory(role), {"ours": 1_000_000}, Target(1, "limit", True), REDIS, turns=1)
        for role in ("worker", "relay", "confirm")
    ),
    Figure("bulk_dump", "rows/s", dumping, DUMPED, Target(2, "theirs"), BROKERS[:1]),
    Figure("bulk_load", "rows/s", loading, LOADED, Target(40, "theirs"), BROKERS[:1]),
    Figure("sync", "rows/s", syncing, SYNCED, Target(20_000), turns=1),
    Figure("sync_live_p99", "ms", live_beside_sync, {"ours": 1_000_000}, Target(1_000, at_most=True), REDIS, turns=1),
    Figure("reconcile_clean", "rows/s", reconcile, EQUAL, Target(30, "theirs"), REDIS),
    Figure("reconcile_bytes", "kB", reconcile_bytes, {"ours": 1_000_000}, Target(100, at_most=True), REDIS, turns=1),
    *(
        Figure(name, "MB", reconcile_memory, {"ours": rows}, Target(1, "limit", True), REDIS, turns=1)
        for name, rows in (("memory_reconcile_10000", 10_000), ("memory_reconcile", 1_000_000))
    ),
)
