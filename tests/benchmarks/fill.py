"""bulk_dump, bulk_load, sync: a whole table from service to service, without messages and with them."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.benchmarks.arena import Arena
from tests.benchmarks.capture import ACCOUNTS
from tests.benchmarks.latency import percentile, waits_ms
from tests.benchmarks.limit import upsert_rate
from tests.benchmarks.seen import watching
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS, START_SECONDS, RunInvalid, look

Measures = Mapping[str, Measure]
WARM_UP_KEY = -1
FIRST_LIVE = 10_000_001
LIVE_PER_SECOND, LIVE_SECONDS = 50, 20
SYNC = ("cqrs_sync", "--cqrs-id=account", "--filter", json.dumps({"id__gt": 0, "id__lt": FIRST_LIVE}))
JSON_OF_ALL = "COPY (SELECT row_to_json(account)::text FROM account ORDER BY id) TO STDOUT"


def dumping(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """The limit is PostgreSQL's own COPY of the rows as JSON."""
    return {
        "ours": partial(dump_rate, arena.ours, rows["ours"]),
        "theirs": partial(dump_rate, arena.theirs, rows["theirs"]),
        "limit": partial(copy_rate, arena.ours, rows["limit"]),
    }


def loading(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """The limit is the guarded upsert from arrays that are ready."""
    return {
        "ours": partial(load_rate, arena.ours, rows["ours"]),
        "theirs": partial(load_rate, arena.theirs, rows["theirs"]),
        "limit": partial(upsert_rate, arena.ours, rows=rows["limit"]),
    }


def syncing(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """From the start of the command until the last row is applied, and confirmed by us."""
    return {
        "ours": partial(sync_rate, arena.ours, rows["ours"], "--wait"),
        "theirs": partial(sync_rate, arena.theirs, rows["theirs"]),
        "limit": partial(upsert_rate, arena.ours, rows=rows["limit"]),
    }


def live_beside_sync(arena: Arena, rows: Mapping[str, int]) -> Measures:
    """Milliseconds from commit to visible that 99 of 100 changes do not exceed while ``cqrs_sync`` sends all rows."""
    return {"ours": partial(live_wait, arena.ours, rows["ours"])}


def dump_rate(side: Side, rows: int) -> Sample:
    """Rows per second, without the start of the process."""
    start = start_seconds(side)
    _fill(side, rows)
    return _rate(rows, partial(_dump, side), start)


def load_rate(side: Side, rows: int) -> Sample:
    """Rows per second into an empty table, without the start of the process."""
    start = start_seconds(side)
    _fill(side, rows)
    path = _dump(side)
    side.empty()
    sample = _rate(rows, lambda: side.python_module("django", "cqrs_bulk_load", f"-i={path}", role="replica"), start)
    with side.connect() as connection:
        (count,) = connection.execute("SELECT count(*) FROM account").fetchone()
    if count != rows:
        raise RunInvalid(f"{count} rows were loaded of {rows}")
    return sample


def sync_rate(side: Side, rows: int, *more: str) -> Sample:
    """Rows per second, the start of the command included; a first row shows that all processes are up."""
    with _filled_chain(side, rows) as replica:
        start = time.monotonic()
        side.python_module("django", *SYNC, *more, role="master")
        look(partial(_has_arrived, replica, rows), STALL_SECONDS + rows / 20, f"row {rows}")
        seconds = time.monotonic() - start
        (count,) = replica.execute("SELECT count(*) FROM account").fetchone()
    if count != rows + 1:
        raise RunInvalid(f"{count - 1} rows arrived of {rows}")
    return Sample(rows / seconds)


def live_wait(side: Side, rows: int) -> Sample:
    """LIVE_PER_SECOND commits a second, for LIVE_SECONDS, beside a sync that takes longer. Raises RunInvalid."""
    live = LIVE_PER_SECOND * LIVE_SECONDS
    with (
        _filled_chain(side, rows) as replica,
        watching(side, above=FIRST_LIVE - 1) as seen,
        side.running("sync", [side.python, "-m", "django", *SYNC, "--wait"], "master"),
    ):
        look(partial(_has_arrived, replica, 1), START_SECONDS, "the first row of the sync")
        waits = waits_ms(side, seen, FIRST_LIVE, live, LIVE_PER_SECOND)
        if _has_arrived(replica, rows):
            raise RunInvalid(f"the sync of {rows} rows had ended before the {live} commits: it takes more rows")
    return percentile(waits, 99)


@contextmanager
def _filled_chain(side: Side, rows: int) -> Iterator[Any]:
    """So many accounts on the master, and all processes up; yields a connection to the replica, which has one row."""
    side.empty()
    side.queues.start()
    _fill(side, rows)
    with side.whole_chain(), side.connect() as replica:
        side.capture(WARM_UP_KEY, WARM_UP_KEY)
        look(partial(_has_arrived, replica, WARM_UP_KEY), START_SECONDS, "the warm-up row")
        yield replica


def _has_arrived(replica: Any, key: int) -> bool:
    return bool(replica.execute("SELECT EXISTS (SELECT FROM account WHERE id = %s)", [key]).fetchone()[0])


def copy_rate(side: Side, rows: int) -> Sample:
    """Rows per second of PostgreSQL and its driver alone."""
    _fill(side, rows)
    with side.connect("master") as connection, connection.cursor() as cursor:
        start = time.monotonic()
        with cursor.copy(JSON_OF_ALL) as copied:
            size = sum(len(block) for block in copied)
        seconds = time.monotonic() - start
    if size < 100 * rows:
        raise RunInvalid(f"{size} bytes are no {rows} rows")
    return Sample(rows / seconds)


@cache
def start_seconds(side: Side) -> tuple[float, float]:
    """What a command takes that has nothing to do, on the clock and of the processor."""
    side.empty("master")
    return min(_measured(partial(_dump, side)) for _ in range(2))


def _rate(rows: int, work: Callable[[], object], start: tuple[float, float]) -> Sample:
    seconds, cpu_seconds = _measured(work)
    return Sample(rows / max(seconds - start[0], 1e-3), (cpu_seconds - start[1]) / rows * 1e6)


def _measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and those of the processor that child processes took."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _fill(side: Side, rows: int) -> None:
    """So many accounts that nobody has captured."""
    side.empty("master")
    with side.connect("master") as connection:
        connection.execute(ACCOUNTS, [1, rows])
        connection.execute("VACUUM ANALYZE account")


def _dump(side: Side) -> Path:
    path = side.scratch / f"{side.name}.dump"
    side.python_module("django", "cqrs_bulk_dump", "--cqrs-id=account", f"-o={path}", "-f", role="master")
    return path
