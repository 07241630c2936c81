"""latency and end_to_end_single: single commits on the master, until each is visible on the replica."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.benchmarks.arena import Arena
from tests.benchmarks.end_to_end import WARM_UP_KEY, warm_up
from tests.benchmarks.limit import write_singly
from tests.benchmarks.seen import watching, when_seen
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS

COMMITS_PER_SECOND = 100
SLOWEST = 20
"""Rows per second, for deadlines."""
BARE_COLUMNS = "id, number, owner, email, currency, balance, active, opened_at"
BARE_VALUES = "%s, '', '', '', '', 0, true, now()"
Measures = Mapping[str, Measure]
Moments = Mapping[int, float]


def latency(mode: str, percent: int) -> Callable[[Arena, Mapping[str, int]], Measures]:
    """Milliseconds from commit to visible that ``percent`` of the rows do not exceed, at 100 commits a second."""

    def measures(arena: Arena, rows: Mapping[str, int]) -> Measures:
        def waits(side: Side, mode: str, count: int) -> list[float]:
            moments = partial(single_commits, side, count, COMMITS_PER_SECOND, mode)
            return arena.once((side.name, mode), lambda: _waits_ms(*moments()))

        def limit() -> Sample:
            return _percentile(arena.once(("limit",), lambda: bare_ms(arena.ours, rows["limit"])), percent)

        return {
            "ours": lambda: _percentile(waits(arena.ours, mode, rows["ours"]), percent),
            "theirs": lambda: _percentile(waits(arena.theirs, "commit", rows["theirs"]), percent),
            "limit": limit,
        }

    return measures


def single(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """Rows per second of two writers, from the first commit to the last row applied; relay mode."""
    return {
        "ours": partial(single_rate, arena.ours, rows["ours"]),
        "theirs": partial(single_rate, arena.theirs, rows["theirs"]),
        "limit": partial(write_singly, arena.ours, rows["limit"]),
    }


def single_rate(side: Side, rows: int) -> Sample:
    """As fast as they go."""
    committed, seen = single_commits(side, rows, 0, "relay", writers=2)
    return Sample(rows / (max(seen.values()) - min(committed.values())))


def single_commits(side: Side, rows: int, rate: float, mode: str, writers: int = 1) -> tuple[Moments, Moments]:
    """When each row was committed, and when it was seen on the replica."""
    for role in ("master", "replica"):
        side.empty(role)
    side.queues.start()
    share = rows // writers
    with side.whole_chain(mode), ThreadPoolExecutor(writers) as threads:
        warm_up(side, mode)
        with watching(side) as connection:
            spans = [(1 + number * share, (number + 1) * share) for number in range(writers)]
            writing = [threads.submit(_write, side, *span, rate, mode) for span in spans]
            limit_seconds = STALL_SECONDS + rows / (rate or SLOWEST)
            seen = when_seen(connection, share * writers, limit_seconds)
            committed = {key: moment for one in writing for key, moment in one.result().items()}
    seen.pop(WARM_UP_KEY, None)
    return committed, seen


def _write(side: Side, first: int, last: int, rate: float, mode: str) -> dict[int, float]:
    result = side.scratch / f"singles-{first}.json"
    arguments = (str(first), str(last), str(rate))
    side.python_module(
        "tests.benchmarks.singles", *arguments, role="master", BENCH_PUBLISH=mode, BENCH_RESULT=str(result)
    )
    return {int(key): moment for key, moment in json.loads(result.read_text()).items()}


def bare_ms(side: Side, rows: int) -> list[float]:
    """A row inserted on the master, a message, the row inserted on the replica: nothing else, in one process."""
    side.empty("master")
    side.empty("replica")
    side.queues.start()
    waits = []
    with side.connect("master") as master, side.connect() as replica:
        for key in range(1, rows + 1):
            master.execute(f"INSERT INTO plain_account ({BARE_COLUMNS}) SELECT {BARE_VALUES}", [key])
            start = time.perf_counter()
            side.queues.publish_texts([str(key)])
            (message,) = side.queues.take_all(side.queues.name)
            own = "cqrs_revision, cqrs_updated"
            sql = f"INSERT INTO account ({BARE_COLUMNS}, {own}) SELECT {BARE_VALUES}, 0, now()"
            replica.execute(sql, [int(message.payload)])
            waits.append((time.perf_counter() - start) * 1_000)
    return waits


def _waits_ms(committed: Moments, seen: Moments) -> list[float]:
    return [(seen[key] - committed[key]) * 1_000 for key in committed]


def _percentile(waits: list[float], percent: int) -> Sample:
    return Sample(statistics.quantiles(waits, n=100, method="inclusive")[percent - 1])
