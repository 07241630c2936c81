"""bulk_create and saves, by relay or on commit: what the caller on the master waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tests.benchmarks.arena import Arena
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample

Measures = Mapping[str, Measure]


def writing(way: str, *, mode: str = "relay") -> Callable[[Arena, Mapping[str, int]], Measures]:
    """One of the ways in ``writes.py``; ``mode`` is our ``publish`` setting."""

    def measures(arena: Arena, rows: Mapping[str, int]) -> Measures:
        return {
            "ours": partial(write, arena.ours, way, "Account", rows["ours"], mode),
            "theirs": partial(write, arena.theirs, way, "Account", rows["theirs"], mode),
            "limit": partial(write, arena.ours, way, "PlainAccount", rows["limit"], mode),
        }

    return measures


def write(side: Side, way: str, model: str, rows: int, mode: str) -> Sample:
    """In a process of its own, on empty tables."""
    side.empty("master")
    side.queues.start()
    result = side.scratch / "result.txt"
    side.python_module(
        "tests.benchmarks.writes", way, model, str(rows), role="master", BENCH_PUBLISH=mode, BENCH_RESULT=str(result)
    )
    return Sample(float(result.read_text()))
