"""Messages in a worker's hands: their body is read once, and one that cannot be acknowledged gives its place back.

Kombu's Redis channel forgets a message only after the server has taken the acknowledgement. When that times out, on a
path that hangs, the message counts against the prefetch limit for ever and the worker never asks for another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.concurrency.prefork import TaskPool
from celery.worker.request import Request
from celery.worker.strategy import default
from kombu.transport.virtual import QoS

JSON = "application/json"
LISTS = (b"[", "[")
"""How the body of a task begins, as the drivers give it."""


class Delivery(Request):  # type: ignore[misc]
    """The request class of our tasks; a message that the broker still has comes again and is a duplicate."""

    def acknowledge(self) -> None:
        """As Celery, and forget the message if that failed."""
        try:
            super().acknowledge()
        finally:
            _give_place_back(self.message)

    def reject(self, requeue: bool = False) -> None:
        """As Celery, and forget the message if that failed."""
        try:
            super().reject(requeue)
        finally:
            _give_place_back(self.message)


def unread(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's strategy, but that the parent of a pool of processes passes a body on without decoding it.

    What is no JSON fails in the child, and is acknowledged like every failure. In other pools it must fail here: a
    thread would keep its place for ever.
    """
    handle: Callable[..., Any] = default(task, app, consumer, **options)
    if not isinstance(consumer.pool, TaskPool):
        return handle

    def pass_on(message: Any, body: Any, *others: Any, **named: Any) -> Any:
        if body is None and message.content_type == JSON and message.body[:1] in LISTS:
            message._decoded_cache = (
                [],
                {},
                {},
            )  # Celery would send the arguments along, beside the body that has them
        return handle(message, body, *others, **named)

    return pass_on


def _give_place_back(message: Any) -> None:
    """On RabbitMQ the server keeps count, and a channel whose acknowledgement fails is gone."""
    qos = getattr(message.channel, "qos", None)
    if isinstance(qos, QoS) and not message.acknowledged:
        QoS.ack(qos, message.delivery_tag)  # the base class's: it only counts
