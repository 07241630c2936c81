"""What was delivered and what became of it, counted for each of the two paths."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from celery_cqrs import signals
from celery_cqrs.outcome import Reason
from celery_cqrs.transport.base import APPLY, Envelope

BULK, HOOKS = "bulk", "hooks"
PATHS = (BULK, HOOKS)
REFUSALS = (Reason.DUPLICATE, Reason.WRONG_ORDER, Reason.DELETED)


def path_of(cqrs_id: str) -> str:
    """The path that the replica of this id asks for."""
    return HOOKS if cqrs_id.endswith("by hooks") else BULK


@dataclass
class Count:
    """Of one path. A delivery is one message in a worker's hands.

    It is a duplicate when the same message was there before, reordered when a newer one of its key was, and refused
    when the guard has skipped it.
    """

    deliveries: int = 0
    duplicates: int = 0
    reordered: int = 0
    refused: int = 0
    letters: int = 0

    def share(self, name: str) -> float:
        """Of all deliveries."""
        return getattr(self, name) / max(1, self.deliveries)


@dataclass
class Tally:
    """Counts while the block lasts. ``ways`` says how often a model's messages went in bulk, and how often not."""

    counts: dict[str, Count] = field(default_factory=lambda: {path: Count() for path in PATHS})
    ways: Counter[tuple[str, bool]] = field(default_factory=Counter)
    deaths: list[str] = field(default_factory=list)
    resent: int = 0
    _seen: set[tuple[Any, ...]] = field(default_factory=set)
    _newest: dict[tuple[str, str], int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Tally:
        for name, receiver in self._receivers().items():
            getattr(signals, name).connect(receiver)
        return self

    def __exit__(self, *_: object) -> None:
        for name, receiver in self._receivers().items():
            getattr(signals, name).disconnect(receiver)

    @property
    def deliveries(self) -> int:
        """On both paths."""
        return sum(count.deliveries for count in self.counts.values())

    def note(self, envelope: Envelope) -> None:
        """A worker takes this."""
        if envelope.task != APPLY:
            return
        with self._guard:
            for message in envelope.payload["messages"]:
                self._note_message(message)

    def _note_message(self, message: dict[str, Any]) -> None:
        count = self.counts[path_of(message["cqrs_id"])]
        key = (message["cqrs_id"], str(message["instance_pk"]))
        revision = message["instance_data"]["cqrs_revision"]
        same = (*key, revision, message["signal_type"])
        count.deliveries += 1
        count.duplicates += same in self._seen
        count.reordered += revision < self._newest.get(key, -1)
        self._seen.add(same)
        self._newest[key] = max(revision, self._newest.get(key, -1))

    def _receivers(self) -> dict[str, Any]:
        names = ("skipped", "retried", "died", "path_chosen", "resent")
        return {name: getattr(self, f"_note_{name}") for name in names}

    def _note_skipped(self, message: Any, reason: str, **_: Any) -> None:
        """What a letter held was delivered before it failed."""
        if message.retries == 0 and reason in REFUSALS:
            self._add(message, "refused")

    def _note_retried(self, message: Any, **_: Any) -> None:
        if message.retries == 0:
            self._add(message, "letters")

    def _note_died(self, reason: str, **_: Any) -> None:
        self.deaths.append(reason)

    def _note_path_chosen(self, cqrs_id: str, bulk: bool, **_: Any) -> None:
        with self._guard:
            self.ways[(cqrs_id, bulk)] += 1

    def _note_resent(self, count: int, **_: Any) -> None:
        self.resent += count

    def _add(self, message: Any, name: str) -> None:
        with self._guard:
            count = self.counts[path_of(message.cqrs_id)]
            setattr(count, name, getattr(count, name) + 1)
