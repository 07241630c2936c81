"""What the writers have noted, read by the test: how long commits took, and what the master must hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from tests.faults.writer import AFTER_COMMIT, MID_TRANSACTION, SHARED
from tests.harness.databases import Database
from tests.harness.views import select

TIMED = "save"


@dataclass(frozen=True)
class Commit:
    """One committed change: its kind, when it ended by ``time.monotonic()``, and how many seconds it took."""

    what: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Median and 99th percentile of some durations, in seconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Pace:
        """Of at least one duration."""
        ordered = sorted(seconds)
        return cls(*(ordered[ceil(len(ordered) * share) - 1] for share in (0.5, 0.99)))


@dataclass
class Ledger:
    """All that one writer has noted so far. ``possible`` has, for each key, the marks that the database may show."""

    path: Path
    position: int = 0
    commits: list[Commit] = field(default_factory=list)
    possible: dict[str, set[str | None]] = field(default_factory=dict)
    unsure: dict[str, str | None] = field(default_factory=dict)
    changes: int = 0
    deaths: int = 0

    def read(self) -> None:
        """Take in the lines that are new; the writer is idle or dead."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if line.endswith(b"\n"):
                self.position += len(line)
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        if "begin" in line:
            self._give_up_what_was_begun()
            self.unsure = line["begin"]
            if line["dies"] == AFTER_COMMIT:
                self._settle()
                self.deaths += 1
            elif line["dies"] == MID_TRANSACTION:
                self.unsure = {}
                self.deaths += 1
        else:
            self.commits.append(Commit(line["commit"], line["at"], line["seconds"]))
            self._settle()

    def _settle(self) -> None:
        self.changes += len(self.unsure)
        for key, mark in self.unsure.items():
            self.possible[key] = {mark}
        self.unsure = {}

    def _give_up_what_was_begun(self) -> None:
        """The process died in the middle: nobody knows whether that was committed."""
        for key, mark in self.unsure.items():
            self.possible.setdefault(key, {None}).add(mark)
        self.unsure = {}

    def untrue(self, marks: dict[str, str | None]) -> list[str]:
        """Where the master does not hold what was committed, one sentence each; a shared key is nobody's."""
        self._give_up_what_was_begun()
        return [
            f"{key} should be {' or '.join(map(repr, possible))} at the master and is {marks.get(key)!r}"
            for key, possible in self.possible.items()
            if key != f"country {SHARED}" and marks.get(key) not in possible
        ]

    def saves(self, start: float, end: float) -> list[Commit]:
        """The timed saves that ended in this period of ``time.monotonic()``."""
        return [one for one in self.commits if one.what == TIMED and start <= one.at < end]


def marks_of(atlas: Database) -> dict[str, str | None]:
    """The mark of every row of the master, by key."""
    countries = {f"country {code}": mark for code, mark in select(atlas, "atlas_country", ("alpha_2", "official_name"))}
    return countries | {f"place {code}": mark for code, mark in select(atlas, "atlas_subdivision", ("code", "name"))}
