"""Ours, theirs and the limit in turn, so that whatever else the machine does befalls all of them."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """One run: the figure itself, and the processor time of the worker for a row, where it has one."""

    value: float
    cpu_us: float | None = None


Measure = Callable[[], Sample]


@dataclass(frozen=True)
class Runs:
    """What was measured, turn by turn."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The figures."""
        return [sample.value for sample in self.samples]

    @property
    def cpu_us(self) -> float | None:
        """The median of the processor times."""
        times = [sample.cpu_us for sample in self.samples if sample.cpu_us is not None]
        return statistics.median(times) if times else None

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
            sample = measure()
            runs[name].samples.append(sample)
            tell(f"turn {turn} of {turns}, load {loads[-1]}: {name} {sample.value:,.5g}")
    return Turns(runs, loads)
