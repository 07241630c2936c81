"""How long a publisher lets changes gather: hundreds a second go in some twenty batches, and few wait for nobody.

A batch costs the broker, a worker and the master's confirmation as much for one change as for ten; where the processor
is short, publishers that hurry slow down those who commit.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

FEW_A_SECOND = 200
MANY_A_SECOND = 400
LONGEST_SECONDS = 0.05
MEMORY_SECONDS = 0.25


class Gathering:
    """The rate of changes as one publisher sees it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen_at = clock()
        self._rate = 0.0

    def seconds(self, changes: int) -> float:
        """A drain has found so many ``changes``: how long to wait before the next one."""
        now = self._clock()
        elapsed = max(now - self._seen_at, 1e-6)
        self._seen_at = now
        self._rate += (changes / elapsed - self._rate) * min(1.0, elapsed / MEMORY_SECONDS)
        share = (self._rate - FEW_A_SECOND) / (MANY_A_SECOND - FEW_A_SECOND)
        return LONGEST_SECONDS * min(1.0, max(0.0, share))
