"""bulk_create and saves, by relay or on commit: what the caller on the master waits for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.benchmarks.arena import Arena
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample

Measures = Mapping[str, Measure]
OURS, PLAIN = "Account", "PlainAccount"


def writing(way: str, *, mode: str = "relay") -> Callable[[Arena, Mapping[str, int]], Measures]:
    """One of the ways in ``writes.py``; ``mode`` is our ``publish`` setting.

    Ours and the limit, the model without capture, have their turns in the same process.
    """

    def measures(arena: Arena, rows: Mapping[str, int]) -> Measures:
        measured: dict[str, float] = {}

        def ours() -> Sample:
            measured.update(write(arena.ours, way, rows["ours"], mode, OURS, PLAIN))
            return Sample(measured[OURS])

        return {
            "ours": ours,
            "theirs": lambda: Sample(write(arena.theirs, way, rows["theirs"], mode, OURS)[OURS]),
            "limit": lambda: Sample(measured[PLAIN]),
        }

    return measures


def write(side: Side, way: str, rows: int, mode: str, *models: str) -> dict[str, float]:
    """Model → its figure, measured in a process of its own, on empty tables."""
    side.empty("master")
    side.queues.start()
    result = side.scratch / "result.txt"
    settings = {"BENCH_PUBLISH": mode, "BENCH_RESULT": str(result)}
    side.python_module("tests.benchmarks.writes", way, str(rows), *models, role="master", **settings)
    figures: dict[str, float] = json.loads(result.read_text())
    return figures
