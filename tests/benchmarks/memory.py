"""memory: what the processes of a chain need at most while they work off a backlog that is there when they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks.arena import Arena
from tests.benchmarks.end_to_end import is_empty
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS, RunInvalid, look

MOST_MB = 200.0
SLOWEST = 1_500
"""Rows per second, for the deadline."""
LOOK_SECONDS = 0.5


def memory(role: str) -> Callable[[Arena, Mapping[str, int]], Mapping[str, Measure]]:
    """The peak of the processes in that role: worker, relay or confirm."""

    def measures(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
        return {
            "ours": lambda: Sample(arena.once(("memory",), lambda: peaks_mb(arena.ours, rows["ours"]))[role]),
            "limit": lambda: Sample(MOST_MB),
        }

    return measures


def peaks_mb(side: Side, rows: int) -> dict[str, float]:
    """Role → the peak of its largest process. Raises RunInvalid when rows are missing in the end."""
    for role in ("master", "replica"):
        side.empty(role)
    side.queues.start()
    side.capture(1, rows)
    peaks: dict[str, float] = {}
    with side.whole_chain() as groups, side.connect("master") as master, side.connect() as replica:

        def is_done() -> bool:
            for role, group in groups.items():
                peaks[role] = max(peaks.get(role, 0), peak_mb(group))
            return is_empty(master, side.outbox)

        look(is_done, STALL_SECONDS + rows / SLOWEST, "an empty outbox", every_seconds=LOOK_SECONDS)
        (count,) = replica.execute("SELECT count(*) FROM account").fetchone()
    if count != rows:
        raise RunInvalid(f"{count} rows arrived of {rows}")
    return peaks


def peak_mb(group: int) -> float:
    """The highest resident size that a living process of the group has ever had."""
    return (
        max((_high_water_kb(path) for path in Path("/proc").glob("[0-9]*") if _group(path) == group), default=0) / 1e3
    )


def _group(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError):  # it has ended meanwhile
        return None


def _high_water_kb(process: Path) -> int:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
