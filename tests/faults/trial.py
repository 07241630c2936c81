"""One fault, from a calm before to a verdict after."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.arena import Arena
from tests.faults.catalogue import Fault
from tests.faults.ledger import Pace
from tests.harness.logs import Log
from tests.harness.waiting import TooLateError, pace

P50_LIMIT, P99_LIMIT = 1.2, 2.0
ENOUGH_SAVES = 100  # or a percentile says more of the machine than of the product
RECOVERY_SECONDS = 60
PATIENCE_SECONDS = 240  # after which what is late counts as lost
DELIVERIES = r"applied (\d+) \w+"
DUPLICATES = r"skipped .*: (?:duplicate|wrong order|deleted)"
RESENDS = r"(?:resending|probing \w+ with) (\d+) changes"


@dataclass(frozen=True)
class Schedule:
    """Seconds: of calm before and after, and how the fault's own are stretched."""

    calm_seconds: float = 8
    stretch: float = 1
    recovery_seconds: float = RECOVERY_SECONDS


@dataclass
class Result:
    """What one trial has shown. ``losses`` are sentences; times are in seconds."""

    fault: str
    broker: str
    changes: int = 0
    deliveries: int = 0
    duplicates: int = 0
    resends: int = 0
    recovery: float | None = None
    calm: Pace | None = None
    disturbed: Pace | None = None
    slowest: float = 0
    saves: int = 0
    losses: list[str] = field(default_factory=list)

    @property
    def ratios(self) -> tuple[float, float]:
        """Median and 99th percentile of save() under the fault, as multiples of the undisturbed ones."""
        if self.calm is None or self.disturbed is None:
            return 0, 0
        return self.disturbed.p50 / self.calm.p50, self.disturbed.p99 / self.calm.p99

    @property
    def slow(self) -> bool:
        """Whether save() was slower than it may be; nobody can say after a handful of them."""
        return self.saves >= ENOUGH_SAVES and (self.ratios[0] > P50_LIMIT or self.ratios[1] > P99_LIMIT)

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.losses:
            return f"LOST {len(self.losses)}"
        if self.recovery is None:
            return "late"
        return "slow" if self.slow else "ok"


def run(arena: Arena, fault: Fault, schedule: Schedule) -> Result:
    """Calm, fault, recovery, calm, silence; then every row is compared."""
    result = Result(fault.name, arena.kind)
    logs, before = arena.logs(), sum(ledger.changes for ledger in arena.ledgers)
    with publishing(arena, fault.publish):
        arena.let_write()
        periods = [_period(lambda: pace(time.monotonic() + schedule.calm_seconds))]
        disturbed = _period(lambda: fault.inject(arena, fault.seconds * schedule.stretch))
        result.recovery = arena.catch_up(schedule.recovery_seconds)
        periods.append(_period(lambda: pace(time.monotonic() + schedule.calm_seconds)))
        arena.hold_writers()
        result.losses += _settle(arena, PATIENCE_SECONDS)
    result.changes = sum(ledger.changes for ledger in arena.ledgers) - before
    _measure(result, arena, periods, disturbed)
    _count(result, logs)
    result.losses += arena.wrongs() + _crashes(logs)
    return result


@contextmanager
def publishing(arena: Arena, publish: str) -> Iterator[None]:
    """Inside, the writers leave publishing to whom ``publish`` says."""
    if publish != "relay":
        yield
        return
    arena.restart_writers(publish="relay")
    relay = {"CHANGED_CQRS": '{"master": {"publish": "relay"}}'}
    arena.start_python("atlas-relay", "manage.py", "cqrs_relay", **relay)
    try:
        yield
    finally:
        arena.supervisor.retire("atlas-relay")
        arena.restart_writers()


def _period(something: Callable[[], None]) -> tuple[float, float]:
    start = time.monotonic()
    something()
    return start, time.monotonic()


def _settle(arena: Arena, seconds: float) -> list[str]:
    try:
        arena.settle(seconds=seconds, progress=lambda _: None)
    except TooLateError:
        return arena.left_over()
    return []


def _measure(result: Result, arena: Arena, calm: list[tuple[float, float]], disturbed: tuple[float, float]) -> None:
    quiet = [seconds for period in calm for seconds in arena.save_seconds(*period)]
    loud = arena.save_seconds(*disturbed)
    if quiet and loud:
        result.calm, result.disturbed, result.slowest = Pace.of(quiet), Pace.of(loud), max(loud)
        result.saves = min(len(quiet), len(loud))


def _count(result: Result, logs: list[Log]) -> None:
    for log in logs:
        news = log.news()
        result.deliveries += sum(map(int, re.findall(DELIVERIES, news)))
        result.resends += sum(map(int, re.findall(RESENDS, news)))
        result.duplicates += len(re.findall(DUPLICATES, news))


def _crashes(logs: list[Log]) -> list[str]:
    """A writer must never hear of the broker's trouble."""
    count = sum(len(re.findall("Traceback", log.news())) for log in logs if log.path.name.startswith("writer"))
    return [f"{count} tracebacks in the writers' logs"] if count else []
