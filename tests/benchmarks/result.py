"""A figure that was measured, as a line of the table and as an entry of build/bench.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.turns import Runs, Turns

SIDES = ("ours", "theirs", "limit")
COLUMNS = {
    "figure": 24,
    "ours (lowest–highest)": 24,
    "theirs": 22,
    "limit": 24,
    "unit": 7,
    "ratio": 6,
    "of limit": 8,
    "target": 14,
    "met": 3,
    "CPU µs ours": 11,
    "theirs ": 7,
    "load": 5,
}
HEADER = tuple(COLUMNS)


@dataclass(frozen=True)
class Result:
    """A figure on one broker; ``error`` says why there are no turns."""

    figure: Figure
    name: str
    rows: Mapping[str, int]
    turns: Turns | None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """Median by median, ours to theirs; None where theirs was not measured."""
        return self._to("theirs")

    @property
    def of_limit(self) -> float | None:
        """The same to the limit."""
        return self._to("limit")

    def _to(self, other: str) -> float | None:
        assert self.turns is not None
        runs = self.turns.runs
        return runs["ours"].median / runs[other].median if other in runs else None

    @property
    def is_met(self) -> bool:
        """Whether ours reaches its target."""
        assert self.turns is not None
        runs = self.turns.runs
        of = self.figure.target.of
        return self.figure.target.is_met(runs["ours"].median, runs[of].median if of in runs else 1)

    def to_dict(self) -> dict[str, Any]:
        """The entry of build/bench.json."""
        if self.turns is None:
            return {"invalid": self.error}
        runs = self.turns.runs
        return {
            **{side: round(runs[side].median, 3) if side in runs else None for side in SIDES},
            "ratio": None if self.ratio is None else round(self.ratio, 2),
            "of_limit": None if self.of_limit is None else round(self.of_limit, 2),
            "target": str(self.figure.target),
            "met": self.is_met,
            "unit": self.figure.unit,
            "rows": dict(self.rows),
            "runs": {side: [round(value, 3) for value in run.values] for side, run in runs.items()},
            "cpu_us": {side: round(run.cpu_us, 1) for side, run in runs.items() if run.cpu_us},
            "load": self.turns.loads,
        }

    @property
    def line(self) -> str:
        """The line of the table."""
        if self.turns is None:
            return f"{self.name:<26} INVALID: {self.error}"
        runs = self.turns.runs
        cells = [_cell(runs[side]) if side in runs else "–" for side in SIDES]
        ratios = [f"{self.ratio:.1f}" if self.ratio else "–", f"{self.of_limit:.2f}" if self.of_limit else "–"]
        numbers = [*ratios, str(self.figure.target), "yes" if self.is_met else "no"]
        times = [f"{runs[side].cpu_us or 0:,.0f}" if side in runs else "–" for side in ("ours", "theirs")]
        return row(self.name, *cells, self.figure.unit, *numbers, *times, f"{max(self.turns.loads):g}")


def row(*cells: str) -> str:
    """Cells under their headings: the first to the left, the others to the right."""
    first, *others = zip(cells, COLUMNS.values(), strict=True)
    return " ".join([f"{first[0]:<{first[1]}}", *(f"{text:>{width}}" for text, width in others)]).rstrip()


def _cell(runs: Runs) -> str:
    low, high = runs.spread
    places = 0 if runs.median >= 100 else 2
    return f"{runs.median:,.{places}f} ({low:,.{places}f}–{high:,.{places}f})"


def write(path: Path, results: Sequence[Result], about: Mapping[str, Any]) -> None:
    """All of it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {result.name: result.to_dict() for result in results}
    path.write_text(json.dumps({**entries, "about": about}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
