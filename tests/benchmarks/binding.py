"""``python -m tests.benchmarks.binding``: let the replica's queue take what is sent to the exchange of django-cqrs.

As its consumer does when it starts; a message that is sent earlier would be lost.
"""

from __future__ import annotations

import kombu

from tests.benchmarks.project import BROKER, CQRS_ID, QUEUE


def bind_queue() -> None:
    """Declare the topic exchange, the queue and the binding."""
    exchange = kombu.Exchange(QUEUE, type="topic", durable=True)
    with kombu.Connection(BROKER) as connection:
        kombu.Queue(QUEUE, exchange=exchange, routing_key=CQRS_ID)(connection.default_channel).declare()


if __name__ == "__main__":
    bind_queue()
