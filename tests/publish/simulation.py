"""One queue in order, one replica, second by second: a whole day of the real plan of resending in a moment."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from celery_cqrs.master.resend import Evidence, Overdue, Policy, plan

EPOCH = datetime(2026, 5, 4, tzinfo=UTC)
POLICY = Policy(after_seconds=30, max_seconds=900, margin_seconds=5)
ROWS_PER_UNIT = 100  # rows captured in the same second share their fate: they are simulated together
UNITS_PER_BATCH = 5
SWEEP_SECONDS = 10


def at(second: int) -> datetime:
    """A moment of the simulation."""
    return EPOCH + timedelta(seconds=second)


@dataclass
class Weather:
    """What goes wrong: when the replica is down, when the broker forgets all, the share of batches that are lost."""

    down: list[tuple[int, int]] = field(default_factory=list)
    flushed: set[int] = field(default_factory=set)
    loss: float = 0.0

    def is_down(self, second: int) -> bool:
        """Whether the replica does not work in this second."""
        return any(start <= second < end for start, end in self.down)


class Master:
    """Unconfirmed units by the number of their attempts, each pile in order of its last sending."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.chance = random.Random(1)
        self.piles: dict[int, OrderedDict[int, int]] = {}
        self.attempts: dict[int, int] = {}
        self.evidence = Evidence()
        self.queue: deque[tuple[int, list[int]]] = deque()

    def send(self, units: list[int], second: int) -> None:
        """Send in batches, each stamped with this second."""
        for start in range(0, len(units), UNITS_PER_BATCH):
            batch = units[start : start + UNITS_PER_BATCH]
            for unit in batch:
                attempts = self.attempts[unit] = self.attempts.get(unit, 0) + 1
                self.piles.setdefault(attempts, OrderedDict())[unit] = second
            if self.chance.random() >= self.weather.loss:
                self.queue.append((second, batch))

    def take(self, units: list[int]) -> list[int]:
        """Remove units from their piles."""
        for unit in units:
            del self.piles[self.attempts[unit]][unit]
        return units

    def sweep(self, second: int) -> None:
        """Do what the plan says."""
        todo = plan(self.evidence, POLICY, at(second))
        overdue = [unit for limit in todo.overdue for unit in self.lost(limit)]
        if overdue:
            self.send(self.take(sorted(overdue)), second)
        elif todo.probe_before is not None and (probe := self.oldest(todo.probe_before)):
            known = self.evidence
            self.evidence = Evidence(
                known.confirmed_stamp, known.confirmed_at, at(second), probe_seconds=todo.next_probe_seconds
            )
            self.send(self.take(probe), second)

    def lost(self, limit: Overdue) -> list[int]:
        """The units that this part of the plan means."""
        counts = [
            count for count in self.piles if count == limit.attempts or (limit.or_more and count > limit.attempts)
        ]
        return [unit for count in counts for unit in self.first_of(count, lambda sent: at(sent) < limit.sent_before)]

    def oldest(self, before: datetime) -> list[int]:
        """One batch of those that were sent first."""
        found = [
            (self.piles[count][unit], unit)
            for count in self.piles
            for unit in self.first_of(count, lambda sent: at(sent) <= before, UNITS_PER_BATCH)
        ]
        return [unit for _, unit in sorted(found)[:UNITS_PER_BATCH]]

    def first_of(self, count, wanted, most=10**9) -> list[int]:
        """The first units of a pile, as long as ``wanted`` holds for the second in which they were sent."""
        found = []
        for unit, sent in self.piles[count].items():
            if len(found) >= most or not wanted(sent):
                break
            found.append(unit)
        return found

    def confirm(self, stamp: int, units: list[int], second: int) -> None:
        """Forget confirmed units; the newest echoed stamp is the evidence."""
        for unit in units:
            self.piles[self.attempts[unit]].pop(unit, None)
        newest = max(at(stamp), self.evidence.confirmed_stamp or EPOCH)
        self.evidence = Evidence(newest, at(second), self.evidence.probed_at, None)

    @property
    def unconfirmed(self) -> int:
        """How many units wait for their confirmation."""
        return sum(map(len, self.piles.values()))


@dataclass
class Outcome:
    """Rows captured, delivered twice, never delivered; and how many seconds later all was confirmed."""

    rows: int
    duplicates: int
    undelivered: int
    quiet_after: int | None


def simulate(weather: Weather, *, seconds: int, rate: int = 1, capacity: int = 10, tail: int = 3_600) -> Outcome:
    """Capture ``rate`` units a second for ``seconds``, apply ``capacity`` a second, wait up to ``tail`` seconds."""
    master, delivered, duplicates, quiet = Master(weather), set(), 0, None
    confirmations: list[tuple[int, list[int]]] = []
    for second in range(seconds + tail):
        for stamp, units in confirmations:
            master.confirm(stamp, units, second)
        confirmations = []
        if second < seconds:
            master.send(list(range(second * rate, second * rate + rate)), second)
        if second % SWEEP_SECONDS == 0:
            master.sweep(second)
        if second in weather.flushed:
            master.queue.clear()
        budget = 0 if weather.is_down(second) else capacity
        while master.queue and budget > 0:
            stamp, units = master.queue.popleft()
            budget -= len(units)
            duplicates += len(delivered.intersection(units))
            delivered.update(units)
            confirmations.append((stamp, units))
        if second >= seconds and quiet is None and not master.unconfirmed:
            quiet = second - seconds
            break
    captured = seconds * rate
    return Outcome(
        captured * ROWS_PER_UNIT, duplicates * ROWS_PER_UNIT, (captured - len(delivered)) * ROWS_PER_UNIT, quiet
    )
