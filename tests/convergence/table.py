"""Results as lines of a table, one for each path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the table's head is printed where Django is not set up
    from tests.convergence.run import Result
    from tests.convergence.tally import Count

COLUMNS = (
    ("database", 10),
    ("path", 6),
    ("seed", 5),
    ("deliveries", 11),
    ("duplicate", 10),
    ("reordered", 10),
    ("refused", 8),
    ("letters", 8),
    ("changes", 8),
    ("lost", 7),
    ("seconds", 8),
    ("verdict", 9),
)
NAMES = {"default": "sqlite", "postgres": "postgresql", "mariadb": "mariadb"}


def row(*cells: object) -> str:
    """Cells under their headings: the first two to the left, the others to the right."""
    texts = [
        f"{cell!s:<{width}}" if place < 2 else f"{cell!s:>{width}}"
        for place, (cell, (_, width)) in enumerate(zip(cells, COLUMNS, strict=True))
    ]
    return " ".join(texts).rstrip()


HEADER = row(*(name for name, _ in COLUMNS))


def lines(result: Result) -> Iterator[str]:
    """What both paths had to bear, and the verdict."""
    for path, count in result.tally.counts.items():
        yield _line(result, path, count)


def _line(result: Result, path: str, count: Count) -> str:
    shares = (f"{count.share(name):.0%}" for name in ("duplicates", "reordered", "refused"))
    verdict = f"WRONG {len(result.wrongs)}" if result.wrongs else "equal"
    plan = result.plan
    return row(
        NAMES[plan.using],
        path,
        plan.seed,
        f"{count.deliveries:,}",
        *shares,
        f"{count.letters:,}",
        f"{result.changes:,}",
        f"{result.lost:,}",
        f"{result.seconds:.0f}",
        verdict,
    )


def summary(results: Sequence[Result]) -> str:
    """What they say together."""
    deliveries = sum(result.tally.deliveries for result in results)
    wrong = sum(bool(result.wrongs) for result in results)
    return f"{len(results)} runs, {deliveries:,} deliveries: {wrong} with something wrong"
