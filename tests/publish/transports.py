"""A broker with moods, by the contract of transports."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from celery_cqrs.exceptions import BatchRefused, BrokerTooSlow, BrokerUnavailable, QueueFull, QueueMissing
from celery_cqrs.transport.base import Envelope
from celery_cqrs.transport.memory import MemoryTransport


class MoodyTransport(MemoryTransport):
    """Some queues are missing or full, some messages too large, and after ``sends_left`` sends the broker is away.

    What has more than ``bytes_in_time`` bytes does not pass in time.
    """

    missing: ClassVar[set[str]] = set()
    full: ClassVar[set[str]] = set()
    refuses: ClassVar[Callable[[dict[str, Any]], bool] | None] = None
    sends_left: ClassVar[int | None] = None
    bytes_in_time: ClassVar[int | None] = None
    offered: ClassVar[list[tuple[str, int]]] = []

    def send(self, envelope: Envelope) -> None:
        """Note what is offered, then take it or raise."""
        mood = type(self)
        messages = envelope.payload.get("messages", [])
        self.offered.append((envelope.queue, len(messages)))
        if mood.sends_left == 0:
            raise BrokerUnavailable(problem="it has just gone away")
        if envelope.queue in self.missing:
            raise QueueMissing(queue=envelope.queue)
        if envelope.queue in self.full:
            raise QueueFull(queue=envelope.queue)
        if mood.refuses is not None and any(map(mood.refuses, messages)):
            raise BatchRefused(queue=envelope.queue, problem="too large")
        if mood.bytes_in_time is not None and len(json.dumps(envelope.payload)) > mood.bytes_in_time:
            raise BrokerTooSlow(problem="0.5 s were not enough")
        if mood.sends_left is not None:
            mood.sends_left -= 1
        super().send(envelope)

    @classmethod
    def calm_down(cls) -> None:
        """Take everything again and forget what was offered."""
        cls.missing, cls.full = set(), set()
        cls.refuses, cls.sends_left, cls.bytes_in_time = None, None, None
        cls.offered.clear()
