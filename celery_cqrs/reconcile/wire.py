"""What travels while two sides compare: a Question to the replica (``celery_cqrs.compare``), its Answer to the master
and an Order of beat's or a person's (both ``celery_cqrs.reconcile``).

Every question is answered, also where nothing differs, under the number that it came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery_cqrs import decode
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.reconcile.columns import Column

HELLO, CHUNKS, ROWS, KEYS = "hello", "chunks", "rows", "keys"
KINDS = (HELLO, CHUNKS, ROWS, KEYS)
START, GO_ON = "start", "go on"
FAILED = "failed"
"""In the body of an answer: why there is none."""


@dataclass(frozen=True)
class Question:
    """What the master asks one replica queue about one model. ``run`` and ``number`` come back with the answer."""

    run: str
    number: int
    reply_to: str
    outbox: str
    queue: str
    cqrs_id: str
    kind: str
    key_kind: str
    columns: tuple[Column, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What is asked, without keys: "country chunks"."""
        return f"{self.cqrs_id} {self.kind}"

    def to_dict(self) -> dict[str, Any]:
        """The question as plain JSON values."""
        columns = [[column.name, column.kind] for column in self.columns]
        return {"v": decode.WIRE_VERSION, **vars(self), "columns": columns, "body": dict(self.body)}

    @classmethod
    def from_message(cls, wire: Any) -> Question:
        """Decode a question; raises MessageRefused."""
        decode.check_version(wire)
        texts = ("run", "reply_to", "outbox", "queue", "cqrs_id", "key_kind")
        return cls(
            **{name: decode.required(wire, name, str) for name in texts},
            number=_number(wire),
            kind=_kind(wire),
            columns=tuple(_column(item) for item in decode.required(wire, "columns", list)),
            body=decode.required(wire, "body", dict),
        )


@dataclass(frozen=True)
class Answer:
    """What a replica says to the question ``number`` of ``run``; ``outbox`` is the master's database alias."""

    run: str
    number: int
    outbox: str
    queue: str
    kind: str
    body: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON values."""
        return {"v": decode.WIRE_VERSION, **vars(self), "body": dict(self.body)}

    @classmethod
    def from_message(cls, wire: Any) -> Answer:
        """Decode an answer; raises MessageRefused."""
        decode.check_version(wire)
        return cls(
            **{name: decode.required(wire, name, str) for name in ("run", "outbox", "queue")},
            number=_number(wire),
            kind=_kind(wire),
            body=decode.required(wire, "body", dict),
        )


@dataclass(frozen=True)
class Order:
    """What the master's own worker is to do: compare everything anew, deep or not, or go on with what has begun."""

    order: str
    deep: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The order as plain JSON values."""
        return {"v": decode.WIRE_VERSION, **vars(self)}

    @classmethod
    def from_message(cls, wire: Any) -> Order:
        """Decode an order; raises MessageRefused."""
        decode.check_version(wire)
        order = decode.required(wire, "order", str)
        if order not in (START, GO_ON):
            raise MessageRefused(problem=f'"order" must be "{START}" or "{GO_ON}".')
        return cls(order, bool(decode.optional(wire, "deep", bool)))


def _number(wire: Mapping[str, Any]) -> int:
    number = wire.get("number")
    if type(number) is not int or not decode.is_count(number):
        raise MessageRefused(problem='"number" must be a whole number.')
    return number


def _kind(wire: Mapping[str, Any]) -> str:
    kind: str = decode.required(wire, "kind", str)
    if kind not in KINDS:
        raise MessageRefused(problem=f'"kind" must be one of {", ".join(KINDS)}; upgrade celery_cqrs.')
    return kind


def _column(item: Any) -> Column:
    if not isinstance(item, list) or len(item) != 2 or not all(isinstance(part, str) for part in item):
        raise MessageRefused(problem="a column must be a pair of texts, its name and its kind.")
    return Column(*item)
