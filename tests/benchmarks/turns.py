"""Ours, theirs and the limit in turn, so that whatever else the machine does befalls all of them."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Measure = Callable[[], float]


@dataclass(frozen=True)
class Runs:
    """What was measured, turn by turn."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The one that is compared."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest."""
        return min(self.values), max(self.values)


@dataclass(frozen=True)
class Turns:
    """The runs of each side, and the machine's load average before each turn."""

    runs: dict[str, Runs]
    loads: list[float]


def take_turns(measures: Mapping[str, Measure], turns: int, tell: Callable[[str], None]) -> Turns:
    """Each measure once, then each again, so many times."""
    runs: dict[str, Runs] = {name: Runs() for name in measures}
    loads = []
    for turn in range(1, turns + 1):
        loads.append(round(os.getloadavg()[0], 1))
        for name, measure in measures.items():
            value = measure()
            runs[name].values.append(value)
            tell(f"turn {turn} of {turns}, load {loads[-1]}: {name} {value:,.0f}")
    return Turns(runs, loads)
