"""A transport without a broker, for tests: what is sent waits in ``queues`` until the test delivers it."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import replace
from typing import ClassVar

from celery_cqrs.exceptions import TransportError
from celery_cqrs.transport.base import Envelope, Transport


class MemoryTransport(Transport):
    """Keeps envelopes per queue in this process; ``fail_with`` makes sends raise, as a broker in trouble does."""

    synchronous = True
    queues: ClassVar[dict[str, deque[Envelope]]] = defaultdict(deque)
    fail_with: ClassVar[TransportError | None] = None

    def send(self, envelope: Envelope) -> None:
        """Put the envelope at the end of its queue, its payload through JSON, as a broker would see it."""
        if self.fail_with is not None:
            raise self.fail_with
        payload = json.loads(envelope.text or json.dumps(envelope.payload))
        self.queues[envelope.queue].append(replace(envelope, payload=payload))

    @classmethod
    def clear(cls) -> None:
        """Forget everything that waits, and work again."""
        cls.queues.clear()
        cls.fail_with = None
