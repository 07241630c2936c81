"""The messages of one model in a batch, column by column: read and checked at once, decoded one by one for who looks.

To decode a message takes as long as to write its row. Where all of them are alike, and nothing is wrong with any, that
can wait until somebody asks for one. Whatever is unusual is no sheet: it goes the longer way, which says what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

from celery_cqrs import decode
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.message import MAX_RETRIES, SIGNAL_TYPES, Message, SignalType

Wires = Sequence[Any]
"""Messages as they came."""

EVERY = itemgetter("signal_type", "cqrs_id", "instance_pk", "instance_data", "outbox_ids")
OWN = itemgetter("cqrs_revision", "cqrs_updated")
NOTHING_OR_OBJECT = {type(None), dict}
NAMES_A_ROW = ({int}, {str})


@dataclass(frozen=True)
class Sheet:
    """SAVEs or SYNCs of one CQRS_ID; ``data`` of all has the same names. ``expires`` is when the first of them does."""

    signal_type: SignalType
    cqrs_id: str
    pks: Sequence[int | str]
    data: Sequence[Mapping[str, Any]]
    outbox_ids: Sequence[int]
    expires: datetime | None


def read(wires: Wires) -> Sheet | None:
    """``wires`` as a sheet, or None: to be read one by one."""
    try:
        return _read(wires)
    except (KeyError, TypeError, MessageRefused):
        return None


def _read(wires: Wires) -> Sheet | None:
    """Raises what a message raises that lacks something, or is none."""
    types, ids, pks, data, row_ids = zip(*map(EVERY, wires), strict=True)
    signal_type, cqrs_id = types[0], ids[0]
    outbox_ids = list(chain.from_iterable(row_ids))
    is_uniform = types.count(signal_type) == ids.count(cqrs_id) == len(wires) and _kinds(ids) == {str}
    if not (is_uniform and cqrs_id and signal_type in (SignalType.SAVE, SignalType.SYNC)):
        return None
    if not (_kinds(pks) in NAMES_A_ROW and _kinds(row_ids) == {list} and _are_counts(outbox_ids) and _has_own(data)):
        return None
    expires = _moments(wires, "expires")
    _moments(wires, "captured_at")
    if not (_holds(wires, "previous_data") and _holds(wires, "meta") and _are_plain_retries(wires)):
        return None
    first = min(expires) if expires else None
    return Sheet(SIGNAL_TYPES[signal_type], cqrs_id, pks, data, outbox_ids, first)


def _kinds(values: Iterable[Any]) -> set[type]:
    return set(map(type, values))


def _are_counts(values: Collection[Any]) -> bool:
    return not values or (_kinds(values) == {int} and min(values) >= 0 and max(values) <= decode.MAX_INTEGER)


def _has_own(data: Sequence[Any]) -> bool:
    """Whether each has a revision and a time, and the same names as the others."""
    if _kinds(data) != {dict}:
        return False
    names = data[0].keys()
    alike = all(one.keys() == names for one in data)
    return alike and _are_counts([revision for revision, _ in map(OWN, data)])


def _holds(wires: Wires, name: str) -> bool:
    """Whether each has an object there, or nothing."""
    return _kinds(wire.get(name) for wire in wires) <= NOTHING_OR_OBJECT


def _moments(wires: Wires, name: str) -> list[datetime]:
    """The moments that there are, each read once. Raises MessageRefused, and TypeError for what is none."""
    found = (decode.moment({name: value}, name) for value in {wire.get(name) for wire in wires})
    return [moment for moment in found if moment is not None]


def _are_plain_retries(wires: Wires) -> bool:
    retries = {wire.get("retries") or 0 for wire in wires}
    return _are_counts(retries) and max(retries) <= MAX_RETRIES


class Decoded(Sequence[Message]):
    """Messages that are decoded, once, when somebody looks at them."""

    def __init__(self, wires: Wires, envelope: Mapping[str, Any]) -> None:
        self._wires = wires
        self._envelope = envelope
        self._messages: dict[int, Message] = {}

    def __len__(self) -> int:
        return len(self._wires)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place not in self._messages:
            self._messages[place] = Message.from_message(self._wires[place], **self._envelope)
        return self._messages[place]

    def without(self, places: Collection[int]) -> Sequence[Message]:
        """Those at other places."""
        if not places:
            return self
        return Decoded([wire for place, wire in enumerate(self._wires) if place not in places], self._envelope)
