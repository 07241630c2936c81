"""Rows counted in the database at two moments: how fast a worker applies, without the time that it needs to start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.cpu import group_cpu_seconds
from tests.benchmarks.side import Side
from tests.harness.waiting import pace

LOOK_SECONDS = 0.02
START_SECONDS = 60
STALL_SECONDS = 30


class RunInvalid(RuntimeError):
    """A run that applied too little, too much, or not at all; no figure comes from it."""


@dataclass(frozen=True)
class Span:
    """So many rows in so many seconds, for so much processor time of the worker."""

    rows: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time for a row."""
        return self.cpu_seconds / self.rows * 1e6


def watch(side: Side, rows: int, worker: int) -> Span:
    """From the first rows that are visible until all are, and all are confirmed. Raises RunInvalid.

    ``worker`` is its process group. The looks are cheap: is there any row, then, is the last one there; rows are
    counted at both ends only.
    """
    with side.connect() as connection:

        def count() -> int:
            return int(connection.execute("SELECT count(*) FROM account").fetchone()[0])

        def sees(condition: str) -> bool:
            return bool(connection.execute(f"SELECT EXISTS (SELECT FROM account {condition})").fetchone()[0])

        look(lambda: sees(""), START_SECONDS, "the first row")
        start, at_start, cpu = time.monotonic(), count(), group_cpu_seconds(worker)
        if at_start >= rows:
            raise RunInvalid(f"all {rows} rows were there at the first look: it takes more to measure")
        limit = STALL_SECONDS + rows / 50
        look(lambda: side.unconfirmed() == 0 and sees(f"WHERE id = {rows}"), limit, "the last row, confirmed")
        look(lambda: count() >= rows, STALL_SECONDS, f"{rows} rows")
        seconds, cpu = time.monotonic() - start, group_cpu_seconds(worker) - cpu
        if count() != rows:
            raise RunInvalid(f"{count()} rows arrived of {rows}")
    return Span(rows - at_start, seconds, cpu)


def look(condition: Callable[[], bool], seconds: float, what: str, every_seconds: float = LOOK_SECONDS) -> None:
    """Look until it holds. Raises RunInvalid when it takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RunInvalid(f"waited {seconds:.0f} s in vain for {what}")
        pace(time.monotonic() + every_seconds)
