"""A transport that is not synchronous: what is confirmed is gathered before it is sent."""

from __future__ import annotations

import threading
from typing import ClassVar

from celery_cqrs.transport.base import Envelope
from celery_cqrs.transport.memory import MemoryTransport


class PatientTransport(MemoryTransport):
    """The memory transport, for a service that has a broker to spare."""

    synchronous = False
    sent: ClassVar[threading.Event] = threading.Event()

    def send(self, envelope: Envelope) -> None:
        """Send, and say so to whoever waits for it."""
        super().send(envelope)
        self.sent.set()


PATH = f"{__name__}.{PatientTransport.__name__}"
