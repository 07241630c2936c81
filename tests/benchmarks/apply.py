"""apply_backlog (with threads, with two processes), apply_hooks: a worker works off what was published before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tests.benchmarks.arena import Arena
from tests.benchmarks.limit import upsert_rate
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import watch

Measures = Mapping[str, Measure]


def backlog(
    *, processes: int = 1, threads: int = 0, role: str = "replica"
) -> Callable[[Arena, Mapping[str, int]], Measures]:
    """With so many worker processes, or ours with so many threads in one, on a replica in that role."""

    def measures(arena: Arena, rows: Mapping[str, int]) -> Measures:
        return {
            "ours": partial(apply_rate, arena.ours, rows=rows["ours"], processes=processes, role=role, threads=threads),
            "theirs": partial(apply_rate, arena.theirs, rows=rows["theirs"], processes=processes, role=role),
            "limit": partial(upsert_rate, arena.ours, rows=rows["limit"], at_once=1 if role == "hooked" else 500),
        }

    return measures


def apply_rate(side: Side, *, rows: int, processes: int, role: str, threads: int = 0) -> Sample:
    """Rows per second."""
    recorded = side.record(rows)
    side.empty()
    side.publish(recorded)
    with side.worker(role, processes, threads) as worker:
        span = watch(side, rows, worker)
    return Sample(span.rate, span.cpu_us)
