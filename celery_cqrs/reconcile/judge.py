"""Whether a row that looked different is different: decided from two looks at both sides, so that no change on its way
is taken for drift.

First the master saw a suspect, and no change of it waited in the outbox; then the replica was asked for it; then the
master looked again. What the replica lacks of the master's *first* look is lost, and what it has beyond the *second*
was never the master's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from celery_cqrs.reconcile.bodies import Sight
from celery_cqrs.reconcile.rows import RowState


class Drift(StrEnum):
    """How a row of a replica differs from the master's."""

    MISSING = "missing"
    EXTRA = "extra"
    STALE = "stale"
    CONTENT = "content"
    AHEAD = "ahead"
    LETTER = "letter"


@dataclass(frozen=True)
class Suspect:
    """A key that differed at the first look: its revisions on both sides then, None for no row."""

    key: str
    master: int | None
    replica: int | None


@dataclass(frozen=True)
class Verdict:
    """A row that differs. ``floor`` is the newest revision that the replica knows of it, -1 for none.

    ``needs_lift``: nothing at the master's revision would be applied in an order that is sure; it must rise above
    ``floor`` first.
    """

    key: str
    kind: Drift
    floor: int
    needs_lift: bool = False


def judge(suspect: Suspect, sight: Sight, now: RowState | None) -> Verdict | None:
    """What is wrong with a suspect after the second look, None for nothing; ``now`` is the master's row."""
    found = _extra(suspect, sight) if now is None else _wrong(suspect, sight, now)
    if found is None:
        return None
    needs_lift = now is not None and (found is Drift.CONTENT or sight.floor >= now.revision)
    return Verdict(suspect.key, Drift.LETTER if sight.has_letter else found, sight.floor, needs_lift)


def _extra(suspect: Suspect, sight: Sight) -> Drift | None:
    """On the replica at both looks, and on the master at none."""
    was = suspect.master is None and suspect.replica is not None
    return Drift.EXTRA if was and sight.revision is not None else None


def _wrong(suspect: Suspect, sight: Sight, now: RowState) -> Drift | None:
    if suspect.master is None:
        return None  # it came between the looks, and is on its way
    if sight.revision is None:
        return None if _has_new_life(suspect.master, sight, now) else Drift.MISSING
    if sight.revision > now.revision:
        return Drift.AHEAD if (suspect.replica or 0) > suspect.master else None
    if sight.revision < suspect.master:
        return Drift.STALE
    differs = None not in (sight.content, now.content) and sight.content != now.content
    return Drift.CONTENT if sight.revision == now.revision and differs else None


def _has_new_life(master: int, sight: Sight, now: RowState) -> bool:
    """It was deleted between the looks and created again: that is on its way."""
    return sight.tombstone is not None and master < sight.tombstone < now.revision
