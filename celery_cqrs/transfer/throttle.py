"""How fast rows may be captured for a sync, so that what comes live is not held up behind them.

Live rows are claimed first, but what has been sent stands in the replica's queue. So only as much of a sync is under
way as the replicas confirm in less than a second, whatever their speed is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from django.db.models import Max, Min, Q, Sum

from celery_cqrs import conf
from celery_cqrs.models import Outbox

UNDER_WAY_SECONDS = 0.8
MEMORY_SECONDS = 1.0
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Clock:
    """Time, and how to let it pass."""

    now: Callable[[], float] = monotonic
    pause: Callable[[float], None] = sleep


class Window:
    """What one sync has captured of ``cqrs_id`` for ``queues`` and is not confirmed yet: what is ``under_way``, and
    rows with an error, which wait for a person and take no room; ``waiting`` counts both.
    """

    def __init__(self, using: str, cqrs_id: str, queues: Sequence[str], clock: Clock) -> None:
        rows = Outbox.objects.using(using)
        self._all = rows
        self._rows = rows.filter(cqrs_id=cqrs_id, signal_type="SYNC", queue__in=queues).order_by()
        self._clock = clock
        self._before = self._newest_id()
        self._captured = 0
        self._confirmed: deque[tuple[float, int]] = deque([(clock.now(), 0)])
        self.slowest = ""
        self.under_way = self.waiting = 0

    def note_captured(self, count: int) -> None:
        """``count`` more rows have been captured, for each queue."""
        if not self.waiting:  # a pause in which there was nothing to confirm says nothing
            self._confirmed = deque([(self._clock.now(), self._captured)])
        self._captured += count
        self.under_way += count
        self.waiting += count

    def look(self) -> None:
        """Count what is not confirmed, for the slowest queue."""
        found = self._rows.filter(id__gt=self._before).values("queue")
        found = found.annotate(sent=Sum("size", filter=Q(error=""), default=0), rows=Sum("size"), first=Min("id"))
        counted = sorted((one["sent"], one["rows"], one["queue"], one["first"]) for one in found)
        self.under_way, self.waiting, self.slowest = counted[-1][:3] if counted else (0, 0, "")
        self._before = min((first for *_, first in counted), default=self._before + 1) - 1
        now, confirmed = self._clock.now(), self._captured - self.waiting
        if confirmed > self._confirmed[-1][1] or len(self._confirmed) == 1:
            self._confirmed.append((now, confirmed))
        while len(self._confirmed) > 2 and now - self._confirmed[1][0] > MEMORY_SECONDS:
            self._confirmed.popleft()

    @property
    def room(self) -> int:
        """How many rows may be captured now."""
        (began, before), confirmed = self._confirmed[0], self._captured - self.waiting
        rate = (confirmed - before) / max(self._clock.now() - began, LOOK_SECONDS)
        return max(2 * conf.master.batch_size, int(rate * UNDER_WAY_SECONDS)) - self.under_way

    @property
    def worthwhile(self) -> int:
        """For fewer rows than these nobody begins a transaction."""
        return conf.master.batch_size

    @property
    def still_seconds(self) -> float:
        """How long ago the last row was confirmed, while some wait."""
        return self._clock.now() - self._confirmed[-1][0] if self.waiting else 0.0

    def _newest_id(self) -> int:
        return int(self._all.aggregate(newest=Max("id"))["newest"] or 0)


class Rate:
    """At most ``rows_per_second``; None is as many as come."""

    def __init__(self, rows_per_second: float | None, clock: Clock) -> None:
        self._rate = rows_per_second
        self._clock = clock
        self._free_at = clock.now()

    def at_most(self, count: int) -> int:
        """So many of ``count`` rows as are worth a transaction, a second's at most."""
        return count if self._rate is None else max(1, min(count, int(self._rate)))

    def spend(self, count: int) -> None:
        """Wait until ``count`` rows more are due."""
        if self._rate is None:
            return
        self._free_at = max(self._free_at, self._clock.now()) + count / self._rate
        self._clock.pause(max(0.0, self._free_at - self._clock.now()))
