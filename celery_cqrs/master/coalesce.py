"""Many rows of one key become at most three messages: [last DELETE] [SAVE] [SYNC], in that order. A pure function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from celery_cqrs.master.claimed import Claimed, row_of
from celery_cqrs.message import SIGNAL_TYPES, SignalType


class Planned(NamedTuple):
    """One message to be: what it says, and the rows that it settles."""

    signal_type: SignalType
    rows: tuple[Claimed, ...]
    position: int
    """The id of the key's first row, or of the bundle that it is from: messages go in this order."""

    @property
    def last(self) -> Claimed:
        """The newest row; its meta and correlation id travel."""
        return self.rows[-1]

    @property
    def previous_data(self) -> dict[str, Any] | None:
        """For each field the earliest of the previous values, since the rows between were never sent."""
        told = [row.previous_data for row in self.rows if row.previous_data is not None]
        return {name: value for data in reversed(told) for name, value in data.items()} if told else None


def coalesce(rows: Iterable[Claimed]) -> list[Planned]:
    """Plan the messages for ``rows``, which are in order of id and may be of many keys and queues.

    SAVEs before the last DELETE of a key are settled by that DELETE, since their state can no longer be read.
    SAVE and SYNC stay apart: a SYNC may be refused where the SAVE must not be. A held row is in no plan, unless a newer
    one of its kind goes.
    """
    keys: dict[tuple[str, str, str], list[Claimed]] = defaultdict(list)
    for row in sorted(rows, key=_position):
        keys[(row.queue, row.cqrs_id, row.pk_text)].append(row)
    return [plan for waiting in keys.values() for plan in _plan(waiting)]


def _position(row: Claimed) -> tuple[int, int]:
    return row_of(row.id), row.id


def _plan(rows: Sequence[Claimed]) -> list[Planned]:
    if len(rows) == 1:
        return [] if rows[0].is_held else [Planned(SIGNAL_TYPES[rows[0].signal_type], tuple(rows), row_of(rows[0].id))]
    deletes = [index for index, row in enumerate(rows) if row.signal_type == SignalType.DELETE and not row.is_held]
    cut = deletes[-1] + 1 if deletes else 0
    plans = [Planned(SignalType.DELETE, tuple(rows[:cut]), row_of(rows[0].id))] if cut else []
    for signal_type, direct in ((SignalType.SAVE, False), (SignalType.SYNC, False), (SignalType.SYNC, True)):
        chosen = [row for row in rows[cut:] if row.signal_type == signal_type and row.direct == direct]
        while chosen and chosen[-1].is_held:
            chosen.pop()
        if chosen:
            plans.append(Planned(signal_type, tuple(chosen), row_of(rows[0].id)))
    return plans
