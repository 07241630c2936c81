"""Results as lines of a table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.trial import ENOUGH_SAVES, Result

COLUMNS = (
    ("fault", 26),
    ("broker", 9),
    ("changes", 8),
    ("deliveries", 11),
    ("duplicates", 11),
    ("resends", 8),
    ("recovery", 9),
    ("save p50", 9),
    ("p99", 7),
    ("slowest", 8),
    ("saves", 6),
    ("verdict", 8),
)


def row(*cells: object) -> str:
    """Cells under their headings: the first two to the left, the others to the right."""
    texts = [
        f"{cell!s:<{width}}" if place < 2 else f"{cell!s:>{width}}"
        for place, (cell, (_, width)) in enumerate(zip(cells, COLUMNS, strict=True))
    ]
    return " ".join(texts).rstrip()


HEADER = row(*(name for name, _ in COLUMNS))


def line(result: Result) -> str:
    """One result: times of save() as multiples of the undisturbed ones, the slowest in milliseconds."""
    recovery = "late" if result.recovery is None else f"{result.recovery:.1f} s"
    counts = (result.changes, result.deliveries, result.duplicates, result.resends)
    p50, p99 = result.ratios
    return row(
        result.fault,
        result.broker,
        *(f"{count:,}" for count in counts),
        recovery,
        f"x{p50:.2f}",
        f"x{p99:.2f}",
        f"{result.slowest * 1000:.0f} ms",
        result.saves,
        result.verdict,
    )


def summary(results: Sequence[Result]) -> str:
    """What they say together."""
    changes = sum(result.changes for result in results)
    lost = sum(bool(result.losses) for result in results)
    late = sum(result.verdict == "late" for result in results)
    slow = sum(result.verdict == "slow" for result in results)
    unjudged = sum(result.saves < ENOUGH_SAVES for result in results)
    text = f"{len(results)} faults, {changes:,} changes: {lost} with losses, {late} late, {slow} with slow saves"
    return f"{text}, {unjudged} with too few saves to judge their time" if unjudged else text
