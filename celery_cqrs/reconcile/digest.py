"""What both sides compare: positions of rows, intervals of positions, and digests of the rows in them.

A position is a whole number that both sides compute alike from the key: the key itself where it is one on both sides
(scheme "key"), else the first 32 bits of the md5 of its canonical text (scheme "hash").

A row is a line, ``key:revision`` or ``key:revision:hash of the content``. In the scheme "key" the lines of an interval
are hashed as one list, in the order of their keys, since a hash for each would cost three times as much. Keys of other
kinds have no order that all databases agree on: there each line is hashed by itself, and the parts of the hashes are
added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import islice, pairwise

KEY, HASH = "key", "hash"
"""The two schemes of positions."""
POSITIONS = 2**32
"""Of the scheme "hash": 0 ≤ position < POSITIONS."""
PORTION_ROWS = 20_000
"""The longest list of lines that is hashed as one; more are hashed portion by portion, and the parts added up."""
SLICES = 64
OPEN_WIDTH = 1_024
"""Positions in a slice of an interval that has no end, or no start."""


@dataclass(frozen=True)
class Digest:
    """How many rows there are, and two parts of their hash (or the sums of these parts)."""

    count: int = 0
    low: int = 0
    high: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.count + other.count, self.low + other.low, self.high + other.high)


ZERO = Digest()


@dataclass(frozen=True)
class Interval:
    """The positions from ``start`` to before ``end``; None: without a limit."""

    start: int | None
    end: int | None

    def __contains__(self, position: int) -> bool:
        return (self.start is None or self.start <= position) and (self.end is None or position < self.end)

    def slices(self, number: int = SLICES) -> list[Interval]:
        """At most ``number`` parts of equal width, in order; the outer one of an open interval stays open."""
        if self.start is None and self.end is None:
            inner = Interval(-OPEN_WIDTH * (number // 2), OPEN_WIDTH * (number - number // 2))
        elif self.start is None:
            inner = Interval((self.end or 0) - OPEN_WIDTH * number, self.end)
        elif self.end is None:
            inner = Interval(self.start, self.start + OPEN_WIDTH * number)
        else:
            inner = self
        bounds = list(_bounds(inner, number))
        bounds[0], bounds[-1] = self.start, self.end
        return [Interval(*pair) for pair in pairwise(bounds)]


def _bounds(interval: Interval, number: int) -> Iterator[int | None]:
    start, end = interval.start or 0, interval.end or 0
    yield from range(start, end, max(1, -(-(end - start) // number)))
    yield end


def from_position(intervals: Iterable[Interval], position: int) -> list[Interval]:
    """What is left of ``intervals`` from ``position`` on."""
    left = [one for one in intervals if one.end is None or position < one.end]
    return [Interval(position, one.end) if one.start is None or one.start < position else one for one in left]


def line_of(key: str, revision: int, content: str | None = None) -> str:
    """The line of a row; ``key`` and ``content`` are canonical texts."""
    return f"{key}:{revision}" if content is None else f"{key}:{revision}:{hash_of(content)}"


def digest_of_list(lines: Iterable[str]) -> Digest:
    """The digest of rows in the order of their whole keys."""
    left, total = iter(lines), ZERO
    while portion := list(islice(left, PORTION_ROWS)):
        total += digest_of_hash(len(portion), hash_of(",".join(portion)))
    return total


def digest_of_line(line: str) -> Digest:
    """The digest of one row by itself."""
    return digest_of_hash(1, hash_of(line))


def digest_of_hash(count: int, hashed: str | None) -> Digest:
    """The digest of ``count`` rows with this hash together."""
    return Digest(count, int(hashed[:8], 16), int(hashed[8:16], 16)) if hashed else ZERO


def position_of(key: str) -> int:
    """The position of a canonical key in the scheme "hash"."""
    return int(hash_of(key)[:8], 16)


def hash_of(text: str) -> str:
    """The md5 of a text in UTF-8, as 32 hexadecimal digits. It finds differences and guards no secret."""
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
