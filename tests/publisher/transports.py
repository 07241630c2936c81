"""Transports that behave as a broker does to a process that publishes from a thread."""

from __future__ import annotations

import threading
from typing import ClassVar

from celery_cqrs.exceptions import QueueMissing
from celery_cqrs.transport.base import Envelope
from celery_cqrs.transport.memory import MemoryTransport

PATIENCE_SECONDS = 60


class Distant(MemoryTransport):
    """Nobody waits for it in the commit. ``open`` may be cleared to make it hang; ``bugs`` are raised one by one.

    Queues in ``absent`` do not exist.
    """

    synchronous = False
    open: ClassVar[threading.Event] = threading.Event()
    reached: ClassVar[threading.Event] = threading.Event()
    bugs: ClassVar[list[Exception]] = []
    absent: ClassVar[set[str]] = set()
    threads: ClassVar[list[threading.Thread]] = []

    def send(self, envelope: Envelope) -> None:
        """Note who sends, hang while closed, then do as told."""
        self.threads.append(threading.current_thread())
        self.reached.set()
        self.open.wait(PATIENCE_SECONDS)
        if self.bugs:
            raise self.bugs.pop(0)
        if envelope.queue in self.absent:
            raise QueueMissing(queue=envelope.queue)
        super().send(envelope)

    @classmethod
    def renew(cls) -> None:
        """Open, reached by nobody, without bugs, all queues there."""
        cls.open.set()
        cls.reached.clear()
        for noted in (cls.bugs, cls.absent, cls.threads):
            noted.clear()
