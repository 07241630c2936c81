"""What both sides compare: positions of rows, intervals of positions, and digests that add up.

A position is a whole number that both sides compute alike from the key: the key itself where it is one on both sides
(scheme "key"), else the first 32 bits of the md5 of its canonical text (scheme "hash").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise

KEY, HASH = "key", "hash"
"""The two schemes of positions."""
POSITIONS = 2**32
"""Of the scheme "hash": 0 ≤ position < POSITIONS."""
SLICES = 64
OPEN_WIDTH = 1_024
"""Positions in a slice of an interval that has no end, or no start."""


@dataclass(frozen=True)
class Digest:
    """How many rows there are, and the sums of two parts of their hashes; digests of parts add up to the whole's."""

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


def digest_of(key: str, revision: int, content: str | None = None) -> Digest:
    """The digest of one row: of the md5 of ``key:revision`` or ``key:revision:content``, all canonical texts."""
    text = f"{key}:{revision}" if content is None else f"{key}:{revision}:{content}"
    hashed = hash_of(text)
    return Digest(1, int(hashed[:8], 16), int(hashed[8:16], 16))


def position_of(key: str) -> int:
    """The position of a canonical key in the scheme "hash"."""
    return int(hash_of(key)[:8], 16)


def hash_of(text: str) -> str:
    """The md5 of a text in UTF-8, as 32 hexadecimal digits. It finds differences and guards no secret."""
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
