"""How a delivery ends: one of five values, decided in one place (``replica/settle.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from celery_cqrs.message import Message


class Reason(StrEnum):
    """Why a message was skipped; the vocabulary of django-cqrs where it has a word."""

    DUPLICATE = "duplicate"
    WRONG_ORDER = "wrong order"
    DELETED = "deleted"
    EXPIRED = "expired"
    TOO_OLD = "older than deletions are remembered"
    INDIRECT_SYNC = "indirect sync"


@dataclass(frozen=True)
class Applied:
    """The replica now holds what the message said."""

    confirms = True
    supersedes = True


@dataclass(frozen=True)
class Skipped:
    """Nothing had to be done, or not by this message: one that is expired or too old is not confirmed, so that the
    master sends the current state again.
    """

    reason: Reason

    @property
    def confirms(self) -> bool:
        """Whether the master may drop its outbox rows."""
        return self.reason not in (Reason.EXPIRED, Reason.TOO_OLD)

    @property
    def supersedes(self) -> bool:
        """Whether the replica holds this state or a newer one, so that older letters of the key are done with."""
        return self.reason in (Reason.DUPLICATE, Reason.WRONG_ORDER, Reason.DELETED)


@dataclass(frozen=True)
class Retry:
    """The message failed and waits as a letter for ``after_seconds``."""

    reason: str
    after_seconds: float
    confirms = True


@dataclass(frozen=True)
class Parent:
    """A row that a foreign key refers to: ``place`` is ``app.model.field``, ``key`` its value there, as text."""

    place: str
    key: str


@dataclass(frozen=True)
class Waiting:
    """The message waits as a letter for a row that it refers to, which is not here; ``until`` then at most."""

    reason: str
    parent: Parent
    until: datetime
    confirms = True


@dataclass(frozen=True)
class Dead:
    """The message failed for good and is kept as a letter for a person."""

    reason: str
    confirms = True


Kept = Retry | Waiting | Dead
"""What leaves a letter."""

Outcome = Applied | Skipped | Kept


@dataclass(frozen=True)
class Settled:
    """A message and how it ended."""

    message: Message
    outcome: Outcome
