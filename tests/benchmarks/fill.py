"""bulk_dump, bulk_load, sync: a whole table from service to service, without messages and with them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

from tests.benchmarks.arena import Arena
from tests.benchmarks.limit import upsert_rate
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS, START_SECONDS, RunInvalid, look

Measures = Mapping[str, Measure]
WARM_UP_KEY = -1
ACCOUNTS = """
    INSERT INTO account (id, number, owner, email, currency, balance, active, opened_at, cqrs_revision, cqrs_updated)
    SELECT k, 'DE' || lpad(k::text, 20, '0'), 'Ángela Núñez ' || k, 'owner' || k || '@example.com',
           (ARRAY['EUR', 'USD', 'JPY'])[1 + mod(k, 3)], mod(k * 37, 10000000) / 100.0, mod(k, 7) <> 0,
           timestamptz '2020-01-01' + k * interval '61 seconds', 0, now()
    FROM generate_series(1, %s::integer) k
"""
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
    side.empty()
    side.queues.start()
    _fill(side, rows)
    with side.whole_chain(), side.connect() as replica:

        def has_arrived(key: int) -> bool:
            return bool(replica.execute("SELECT EXISTS (SELECT FROM account WHERE id = %s)", [key]).fetchone()[0])

        side.capture(WARM_UP_KEY, WARM_UP_KEY)
        look(lambda: has_arrived(WARM_UP_KEY), START_SECONDS, "the warm-up row")
        start = time.monotonic()
        every = '-f={"id__gt": 0}'
        side.python_module("django", "cqrs_sync", "--cqrs-id=account", every, *more, role="master")
        look(lambda: has_arrived(rows), STALL_SECONDS + rows / 20, f"row {rows}")
        seconds = time.monotonic() - start
        (count,) = replica.execute("SELECT count(*) FROM account").fetchone()
    if count != rows + 1:
        raise RunInvalid(f"{count - 1} rows arrived of {rows}")
    return Sample(rows / seconds)


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
        connection.execute(ACCOUNTS, [rows])
        connection.execute("VACUUM ANALYZE account")


def _dump(side: Side) -> Path:
    path = side.scratch / f"{side.name}.dump"
    side.python_module("django", "cqrs_bulk_dump", "--cqrs-id=account", f"-o={path}", "-f", role="master")
    return path
