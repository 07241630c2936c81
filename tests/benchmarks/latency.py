"""latency and end_to_end_single: single commits on the master, until each is visible on the replica."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.benchmarks import replication
from tests.benchmarks.arena import Arena
from tests.benchmarks.end_to_end import warm_up
from tests.benchmarks.seen import watching, when_seen
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS

COMMITS_PER_SECOND = 100
SLOWEST = 20
"""Rows per second, for deadlines."""
WRITERS = 2
Measures = Mapping[str, Measure]
Moments = Mapping[int, float]


def latency(mode: str, percent: int) -> Callable[[Arena, Mapping[str, int]], Measures]:
    """Milliseconds from commit to visible that ``percent`` of the rows do not exceed, at 100 commits a second."""

    def measures(arena: Arena, rows: Mapping[str, int]) -> Measures:
        def waits(side: Side, mode: str, count: int) -> list[float]:
            measure = partial(single_waits_ms, side, count, mode)
            return arena.once((side.name, mode), measure)

        def limit() -> Sample:
            return percentile(arena.once(("limit",), lambda: replication.single_waits_ms(rows["limit"])), percent)

        return {
            "ours": lambda: percentile(waits(arena.ours, mode, rows["ours"]), percent),
            "theirs": lambda: percentile(waits(arena.theirs, "commit", rows["theirs"]), percent),
            "limit": limit,
        }

    return measures


def single(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """Rows per second of two writers, from the first commit to the last row applied; relay mode.

    The limit is what the same writers save of a model without capture.
    """
    return {
        "ours": partial(single_rate, arena.ours, rows["ours"]),
        "theirs": partial(single_rate, arena.theirs, rows["theirs"]),
        "limit": partial(plain_rate, arena.ours, rows["limit"]),
    }


def single_rate(side: Side, rows: int) -> Sample:
    """As fast as they go."""
    with _ready_chain(side, "relay") as seen:
        committed, arrived = _write_and_see(side, seen, 1, rows, 0, "relay", WRITERS)
    return Sample(rows / (max(arrived.values()) - min(committed.values())))


def plain_rate(side: Side, rows: int) -> Sample:
    """As fast as they go, and nobody listens."""
    side.empty("master")
    committed = _write_all(side, "PlainAccount", 1, rows, 0, "relay", WRITERS)
    return Sample(rows / (max(committed.values()) - min(committed.values())))


def single_waits_ms(side: Side, rows: int, mode: str) -> list[float]:
    """Milliseconds from commit to visible of each of so many commits, COMMITS_PER_SECOND a second."""
    with _ready_chain(side, mode) as seen:
        return waits_ms(side, seen, 1, rows, COMMITS_PER_SECOND, mode)


def waits_ms(side: Side, seen: Any, first: int, rows: int, rate: float, mode: str = "relay") -> list[float]:
    """The same in a chain that is up; ``seen`` is a connection that hears of the rows."""
    committed, arrived = _write_and_see(side, seen, first, rows, rate, mode)
    return [(arrived[key] - committed[key]) * 1_000 for key in committed]


@contextmanager
def _ready_chain(side: Side, mode: str) -> Iterator[Any]:
    """All processes are up, both tables empty; yields a connection that hears of every row of the replica."""
    for role in ("master", "replica"):
        side.empty(role)
    side.queues.start()
    with side.whole_chain(mode):
        warm_up(side, mode)
        with watching(side) as seen:
            yield seen


def _write_and_see(
    side: Side, seen: Any, first: int, rows: int, rate: float, mode: str, writers: int = 1
) -> tuple[Moments, Moments]:
    """When each row was committed, and when it was seen on the replica."""
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(_write_all, side, "Account", first, rows, rate, mode, writers)
        arrived = when_seen(seen, rows, STALL_SECONDS + rows / (rate or SLOWEST))
        return writing.result(), arrived


def _write_all(side: Side, model: str, first: int, rows: int, rate: float, mode: str, writers: int) -> Moments:
    """When each row was committed, by so many processes; ``rows`` is a multiple of their number."""
    share = rows // writers
    with ThreadPoolExecutor(writers) as threads:
        starts = [first + number * share for number in range(writers)]
        writing = [threads.submit(_write, side, model, start, start + share - 1, rate, mode) for start in starts]
        return {key: moment for one in writing for key, moment in one.result().items()}


def _write(side: Side, model: str, first: int, last: int, rate: float, mode: str) -> dict[int, float]:
    result = side.scratch / f"singles-{first}.json"
    arguments = (model, str(first), str(last), str(rate))
    side.python_module(
        "tests.benchmarks.singles", *arguments, role="master", BENCH_PUBLISH=mode, BENCH_RESULT=str(result)
    )
    return {int(key): moment for key, moment in json.loads(result.read_text()).items()}


def percentile(waits: list[float], percent: int) -> Sample:
    """So much that ``percent`` of the waits are no longer."""
    return Sample(statistics.quantiles(waits, n=100, method="inclusive")[percent - 1])
