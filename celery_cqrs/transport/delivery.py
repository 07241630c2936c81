"""A message in a worker's hands that cannot be acknowledged gives its place back.

Kombu's Redis channel forgets a message only after the server has taken the acknowledgement. When that times out, on a
path that hangs, the message counts against the prefetch limit for ever and the worker never asks for another one.
"""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request
from kombu.transport.virtual import QoS


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


def _give_place_back(message: Any) -> None:
    """On RabbitMQ the server keeps count, and a channel whose acknowledgement fails is gone."""
    qos = getattr(message.channel, "qos", None)
    if isinstance(qos, QoS) and not message.acknowledged:
        QoS.ack(qos, message.delivery_tag)  # the base class's: it only counts
