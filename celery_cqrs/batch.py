"""What a task carries: ``Batch`` is the argument of ``celery_cqrs.apply``, ``Confirmation`` of ``celery_cqrs.confirm``,
``RepairRequest`` of ``celery_cqrs.repair``.

Unknown keys are ignored; a missing one is an error that says what is needed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery_cqrs import decode
from celery_cqrs.exceptions import MessageRefused

MAX_REVISION = 2**30
"""Half of what a revision's column holds: the master goes on above what a replica reports, and must never run out."""


class Texts(Sequence[Any]):
    """Messages that are JSON already; each is decoded for those only who look at it."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.texts[index]
        return json.loads(chosen) if isinstance(chosen, str) else Texts(chosen)


@dataclass(frozen=True)
class Batch:
    """What one ``celery_cqrs.apply`` carries: messages (wire dictionaries) of one master database and one stamp."""

    reply_to: str
    outbox: str
    sent_at: str
    messages: Sequence[Any]
    attempt: int = 1
    queue: str | None = None

    @property
    def summary(self) -> str:
        """What is in it, without keys or values: "country ×249, subdivision ×3"."""
        ids = (wire.get("cqrs_id") if isinstance(wire, Mapping) else "?" for wire in self.messages)
        return summarize(ids)

    @property
    def stamp(self) -> datetime | None:
        """``sent_at`` as a moment."""
        return decode.moment({"sent_at": self.sent_at}, "sent_at")

    @property
    def envelope(self) -> dict[str, Any]:
        """What ``Message.from_message`` is told of the batch."""
        return {"queue": self.queue, "sent_at": self.stamp, "reply_to": self.reply_to, "outbox": self.outbox}

    def to_dict(self) -> dict[str, Any]:
        """The batch as plain JSON values."""
        return {**self._head, "messages": list(self.messages)}

    def to_text(self) -> str:
        """The batch as JSON; ``Texts`` are joined as they are."""
        texts = self.messages.texts if isinstance(self.messages, Texts) else map(json.dumps, self.messages)
        return f'{json.dumps(self._head)[:-1]}, "messages": [{",".join(texts)}]}}'

    @property
    def _head(self) -> dict[str, Any]:
        return {
            "v": decode.WIRE_VERSION,
            "reply_to": self.reply_to,
            "outbox": self.outbox,
            "sent_at": self.sent_at,
            "attempt": self.attempt,
            "queue": self.queue,
        }

    @classmethod
    def from_message(cls, wire: Any) -> Batch:
        """Decode the envelope and leave the messages as they are. Raises MessageRefused."""
        decode.check_version(wire)
        batch = cls(
            reply_to=decode.required(wire, "reply_to", str),
            outbox=decode.required(wire, "outbox", str),
            sent_at=decode.required(wire, "sent_at", str),
            messages=tuple(decode.required(wire, "messages", list)),
            attempt=decode.optional(wire, "attempt", int) or 1,
            queue=decode.optional(wire, "queue", str),
        )
        decode.moment(wire, "sent_at")
        return batch


@dataclass(frozen=True)
class Receipt:
    """The outbox rows of one batch that a replica has settled, with the stamp that it echoes."""

    outbox: str
    sent_at: str
    outbox_ids: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain JSON values."""
        return {"outbox": self.outbox, "sent_at": self.sent_at, "outbox_ids": list(self.outbox_ids)}

    @property
    def stamp(self) -> datetime:
        """``sent_at`` as a moment. Raises MessageRefused."""
        return decode.required_moment({"sent_at": self.sent_at}, "sent_at")


@dataclass(frozen=True)
class Confirmation:
    """What one ``celery_cqrs.confirm`` carries: receipts of one replica queue."""

    queue: str
    batches: tuple[Receipt, ...]

    def to_dict(self) -> dict[str, Any]:
        """The confirmation as plain JSON values."""
        return {
            "v": decode.WIRE_VERSION,
            "queue": self.queue,
            "batches": [receipt.to_dict() for receipt in self.batches],
        }

    @classmethod
    def from_message(cls, wire: Any) -> Confirmation:
        """Decode a confirmation; raises MessageRefused."""
        decode.check_version(wire)
        batches = tuple(_receipt(item) for item in decode.required(wire, "batches", list))
        return cls(queue=decode.required(wire, "queue", str), batches=batches)


def _receipt(wire: Any) -> Receipt:
    if not isinstance(wire, Mapping):
        raise MessageRefused(problem=f"a confirmed batch must be an object, not {type(wire).__name__}.")
    decode.required_moment(wire, "sent_at")
    return Receipt(
        outbox=decode.required(wire, "outbox", str),
        sent_at=decode.required(wire, "sent_at", str),
        outbox_ids=decode.row_ids(wire.get("outbox_ids", [])),
    )


@dataclass(frozen=True)
class RepairKey:
    """A key whose present state a replica asks for; ``revision`` is the newest that the replica knows of it."""

    cqrs_id: str
    instance_pk: Any
    revision: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The key as plain JSON values."""
        return {"cqrs_id": self.cqrs_id, "instance_pk": self.instance_pk, "revision": self.revision}


@dataclass(frozen=True)
class RepairRequest:
    """What one ``celery_cqrs.repair`` carries: keys of one master database, wanted by one replica queue."""

    queue: str
    outbox: str
    keys: tuple[RepairKey, ...]

    @property
    def summary(self) -> str:
        """What is in it, without keys: "country ×249, subdivision ×3"."""
        return summarize(key.cqrs_id for key in self.keys)

    def to_dict(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        keys = [key.to_dict() for key in self.keys]
        return {"v": decode.WIRE_VERSION, "queue": self.queue, "outbox": self.outbox, "keys": keys}

    @classmethod
    def from_message(cls, wire: Any) -> RepairRequest:
        """Decode a request; raises MessageRefused."""
        decode.check_version(wire)
        keys = tuple(_repair_key(item) for item in decode.required(wire, "keys", list))
        return cls(queue=decode.required(wire, "queue", str), outbox=decode.required(wire, "outbox", str), keys=keys)


def _repair_key(wire: Any) -> RepairKey:
    if not isinstance(wire, Mapping):
        raise MessageRefused(problem=f"a key to repair must be an object, not {type(wire).__name__}.")
    revision = wire.get("revision") or 0
    if not decode.is_count(revision) or revision > MAX_REVISION:
        raise MessageRefused(problem=f'"revision" must be a whole number from 0 to {MAX_REVISION}.')
    return RepairKey(decode.required(wire, "cqrs_id", str), decode.primary_key(wire), revision)


def summarize(ids: Iterable[Any]) -> str:
    """How many messages there are of each id: "country ×249, subdivision ×3"."""
    return ", ".join(f"{cqrs_id} ×{count}" for cqrs_id, count in sorted(Counter(map(str, ids)).items()))
