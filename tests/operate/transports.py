"""A broker whose workers answer at once."""

from __future__ import annotations

from typing import ClassVar

from celery_cqrs import testing
from celery_cqrs.transport.base import APPLY, Envelope
from tests.publish.transports import MoodyTransport


class PromptTransport(MoodyTransport):
    """What is sent is delivered before the sender goes on, but for queues in ``deaf``."""

    deaf: ClassVar[set[str]] = set()

    def send(self, envelope: Envelope) -> None:
        """Take it, then let the workers work."""
        super().send(envelope)
        if envelope.task == APPLY and envelope.queue not in self.deaf:
            testing.deliver(envelope.queue, "replica")
