"""A closer look at what differs: every interval in slices, and how many these are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from celery_cqrs.reconcile.digest import HASH, KEY, Digest, Interval
from celery_cqrs.reconcile.rows import Rows

SLICES_OF_SCHEME = {KEY: 64, HASH: 512}
"""Where positions are hashes every look reads the whole table, so that few and exact ones cost least."""
MOST_SLICES = 4_096


def slices_of(interval: Interval, number: int) -> list[Interval]:
    """At most ``number`` parts, as both sides cut them."""
    return interval.slices(min(number, MOST_SLICES))


def digests_of_slices(rows: Rows, intervals: Sequence[Interval], number: int) -> list[list[Digest]]:
    """The digests of the slices of each of ``intervals``."""
    if not intervals:
        return []
    if rows.scheme != HASH:
        return [rows.slices(interval, min(number, MOST_SLICES)) for interval in intervals]
    cut = [slices_of(interval, number) for interval in intervals]
    found = iter(rows.digests([part for parts in cut for part in parts]))
    return [list(islice(found, len(parts))) for parts in cut]
