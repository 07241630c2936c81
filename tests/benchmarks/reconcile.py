"""reconcile: a quick comparison of two tables that are equal, with nothing to repair, against their four commands.

Ours is measured from the moment that somebody asks until the run has ended, in workers that have compared before.
Theirs are the two pipes that find what is stale and what was deleted, without the time that the same commands need for
a single row, which is that of starting four processes.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.arena import Arena
from tests.benchmarks.memory import MOST_MB, peak_mb
from tests.benchmarks.processes import CommandFailed
from tests.benchmarks.project import CQRS_ID
from tests.benchmarks.side import ROLES, Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import RunInvalid

ACCOUNTS = """
    INSERT INTO account (id, number, owner, email, currency, balance, active, opened_at, cqrs_revision, cqrs_updated)
    SELECT key, 'DE' || lpad(key::text, 20, '0'), 'Ángela Núñez ' || key, 'owner' || key || '@example.com', 'EUR',
           mod(key * 37, 10000000) / 100.0, mod(key, 7) <> 0, '2020-01-01'::timestamptz + key * interval '61 s',
           mod(key, 3), '2020-01-01'::timestamptz
    FROM generate_series(1, %s::bigint) AS series (key)
"""
LAST = "SELECT state, master_rows, replica_rows, bytes_exchanged, ended_at - started_at FROM celery_cqrs_reconciliation"
STALE = ("master", "cqrs_diff_master", "replica", "cqrs_diff_replica")
DELETED = ("replica", "cqrs_deleted_diff_replica", "master", "cqrs_deleted_diff_master")
ONE_ROW = ("--filter", '{"id": 1}')


@dataclass(frozen=True)
class Compared:
    """What a run of ours took."""

    seconds: float
    exchanged_kb: float
    peak_mb: float


def reconcile(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
    """Rows per second."""
    return {
        "ours": lambda: Sample(rows["ours"] / compare(arena.ours, rows["ours"]).seconds),
        "theirs": lambda: Sample(rows["theirs"] / their_seconds(arena.theirs, rows["theirs"])),
    }


def reconcile_bytes(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
    """Kilobytes of both sides' messages."""
    return {"ours": lambda: Sample(_once(arena, rows["ours"]).exchanged_kb)}


def reconcile_memory(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
    """The peak of the largest worker of either side."""
    return {"ours": lambda: Sample(_once(arena, rows["ours"]).peak_mb), "limit": lambda: Sample(MOST_MB)}


def _once(arena: Arena, rows: int) -> Compared:
    return arena.once(("reconcile", rows), lambda: compare(arena.ours, rows))


def fill(side: Side, rows: int) -> None:
    """The same accounts on both databases."""
    for role in ROLES:
        side.empty(role)
        with side.connect(role) as connection:
            connection.execute(ACCOUNTS, [rows])
            connection.execute("VACUUM ANALYZE account")


def compare(side: Side, rows: int) -> Compared:
    """The second of two runs. Raises RunInvalid unless it has seen all rows of both sides."""
    fill(side, rows)
    side.queues.start()
    with side.whole_chain() as groups, side.connect("master") as master:
        for _ in range(2):
            side.python_module("django", "cqrs_reconcile", "--cqrs-id", CQRS_ID, role="master")
        state, *counts, exchanged, took = master.execute(f"{LAST} ORDER BY id DESC LIMIT 1").fetchone()
        peak = max(peak_mb(group) for group in groups.values())
    if state != "complete" or counts != [rows, rows]:
        raise RunInvalid(f"the run is {state}, it has compared {counts[0]} rows with {counts[1]} of {rows}")
    return Compared(took.total_seconds(), exchanged / 1e3, peak)


def their_seconds(side: Side, rows: int) -> float:
    """Both pipes, without their start. Raises CommandFailed, and RunInvalid for so few rows that nothing is left."""
    start, whole = their_pipes(side, rows)
    if whole <= start:
        raise RunInvalid(f"comparing {rows} rows took {whole:.1f} s, and one row {start:.1f} s: it takes more rows")
    return whole - start


def their_pipes(side: Side, rows: int) -> tuple[float, float]:
    """Seconds of both pipes for one row, and for so many. Raises CommandFailed."""
    fill(side, rows)
    start = sum(_pipe(side, pipe, ONE_ROW) for pipe in (STALE, DELETED))
    return start, sum(_pipe(side, pipe) for pipe in (STALE, DELETED))


def _pipe(side: Side, pipe: Sequence[str], more: Sequence[str] = ()) -> float:
    """Seconds of one command that writes into another, each in its role."""
    first, writer, second, reader = pipe
    start = time.monotonic()
    with subprocess.Popen(
        [side.python, "-m", "django", writer, "--cqrs-id", CQRS_ID, *more],
        env={**os.environ, **side.environment(first)},
        stdout=subprocess.PIPE,
    ) as source:
        done = subprocess.run(
            [side.python, "-m", "django", reader],
            env={**os.environ, **side.environment(second)},
            stdin=source.stdout,
            stdout=subprocess.PIPE,
            check=False,
        )
    if source.returncode or done.returncode or len(done.stdout.splitlines()) != 1:
        raise CommandFailed(f"{writer} | {reader} ended with {source.returncode}, {done.returncode}: {done.stdout!r}")
    return time.monotonic() - start
