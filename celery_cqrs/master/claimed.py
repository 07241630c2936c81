"""What a publisher has in its hands: outbox rows, and of bundles the keys one by one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from celery_cqrs.models import Outbox

FIRST_MEMBER = 2**62
PLACES = 1_024
"""Members of bundles have numbers of their own on the wire, above those of all rows: 2^62 + bundle × 1,024 + place."""


class Claimed(NamedTuple):
    """An outbox row as its publisher needs it: ``captured_at`` as it travels, JSON; the rest as in ``Outbox``."""

    id: int
    queue: str
    cqrs_id: str
    pk_text: str
    signal_type: str
    revision: int | None
    previous_data: Any
    custom: Any
    meta: Any
    correlation_id: Any
    direct: bool
    error: str
    kind: str
    keys: list[str | None] | None
    captured_at: str
    is_held: bool
    attempts: int
    sent_at: datetime

    @property
    def is_bundle(self) -> bool:
        """Whether it stands for many keys."""
        return self.kind == Outbox.BUNDLE

    @property
    def size(self) -> int:
        """How many changes it stands for."""
        return 1 if self.keys is None else len(self.keys) - self.keys.count(None)

    @property
    def members(self) -> dict[int, str]:
        """Of a bundle: place → key, of those that are not confirmed."""
        return {place: key for place, key in enumerate(self.keys or ()) if key is not None}

    def member(self, place: int, key: str) -> Claimed:
        """A key of this bundle as a row of its own, with its number on the wire."""
        return self._replace(id=member_id(self.id, place), pk_text=key, kind=Outbox.SYNC, keys=None)


class Member(NamedTuple):
    """As ``Claimed.member``, in a fraction of the time, for what only has to be told apart and settled."""

    id: int
    bundle: Claimed

    @property
    def cqrs_id(self) -> str:
        """The model's."""
        return self.bundle.cqrs_id

    @property
    def attempts(self) -> int:
        """Of the bundle."""
        return self.bundle.attempts

    @property
    def queue(self) -> str:
        """Where it goes."""
        return self.bundle.queue

    @property
    def sent_at(self) -> datetime:
        """When it was claimed."""
        return self.bundle.sent_at

    @property
    def pk_text(self) -> str:
        """Its key."""
        return self.bundle.members[place_of(self.id)]

    @property
    def revision(self) -> None:
        """Not known before its row is read."""

    @property
    def correlation_id(self) -> None:
        """What has one is in no bundle."""


Row = Claimed | Member


def member_id(bundle_id: int, place: int) -> int:
    """The number on the wire of the key at ``place`` of a bundle."""
    return FIRST_MEMBER + bundle_id * PLACES + place


def row_of(number: int) -> int:
    """The id of the outbox row that ``number`` belongs to: it itself, or that of the bundle."""
    return number if number < FIRST_MEMBER else (number - FIRST_MEMBER) // PLACES


def place_of(number: int) -> int:
    """The place of a member in its bundle."""
    return (number - FIRST_MEMBER) % PLACES
