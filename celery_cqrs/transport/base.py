"""The contract of a transport: take an envelope to one queue, or raise one of three errors."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

APPLY = "celery_cqrs.apply"
CONFIRM = "celery_cqrs.confirm"
DRAIN = "celery_cqrs.drain"
RETRY = "celery_cqrs.retry"
PRUNE = "celery_cqrs.prune"
REPAIR = "celery_cqrs.repair"
RECONCILE = "celery_cqrs.reconcile"
COMPARE = "celery_cqrs.compare"


@dataclass(frozen=True)
class Envelope:
    """One task for one queue. ``summary`` is what people see of the payload; ``countdown_seconds`` delays its start."""

    task: str
    queue: str
    payload: Mapping[str, Any]
    summary: str
    countdown_seconds: float | None = None

    @classmethod
    def written(cls, task: str, queue: str, text: str, summary: str) -> Envelope:
        """An envelope whose payload is JSON already; it is decoded for those only who look at ``payload``."""
        return cls(task, queue, cast("Mapping[str, Any]", text), summary)

    @property
    def text(self) -> str | None:
        """The payload as JSON, where it was given so and nobody has looked at it."""
        held = vars(self)["payload"]
        return held if isinstance(held, str) else None


class _Payload:
    """Decodes the payload of an envelope when somebody looks at it."""

    def __get__(self, envelope: Any, owner: type) -> Any:
        held = vars(envelope)
        if isinstance(held["payload"], str):
            held["payload"] = json.loads(held["payload"])
        return held["payload"]

    def __set__(self, envelope: Any, payload: Any) -> None:
        vars(envelope)["payload"] = payload


Envelope.payload = _Payload()  # type: ignore[assignment]


class Transport(ABC):
    """Takes envelopes to queues of other services, at least once.

    ``synchronous`` transports have no broker to wait for: changes are published in the transaction's commit itself.
    """

    synchronous = False

    @abstractmethod
    def send(self, envelope: Envelope) -> None:
        """Return when the broker has taken responsibility, within a bounded time.

        Raises BrokerUnavailable (try later), QueueRests (this queue is missing or full) or BatchRefused (too large).
        """

    def release(self) -> None:  # noqa: B027 (most transports hold nothing)
        """Close what the calling thread holds open."""
