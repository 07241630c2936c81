"""The queues of a run, read and filled with kombu, which both sides use underneath."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import kombu
import redis

from tests.benchmarks.project import master_queue
from tests.services import RABBITMQ, REDIS, Server
from tests.settings import RUN

SERVERS: dict[str, Server] = {"redis": REDIS, "rabbitmq": RABBITMQ}


class Queues:
    """The replica's queue and the master's on one broker; nothing of theirs is left when it is closed."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self.url = SERVERS[broker].url
        self.name = f"bench_{RUN}"
        self.master_name = master_queue(self.name)

    def __enter__(self) -> Queues:
        self.connection = kombu.Connection(self.url)
        self.channel = self.connection.default_channel
        self.remove()
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
        self.connection.release()

    def start(self) -> None:
        """Both queues, empty."""
        self.remove()
        for name in (self.name, self.master_name):
            kombu.Queue(name, exchange="", durable=True)(self.channel).declare()

    def publish_texts(self, lines: Iterable[str]) -> None:
        """Put texts into the replica's queue, with the properties that both of their transports set."""
        producer = kombu.Producer(self.channel, auto_declare=False)
        for line in lines:
            producer.publish(line, routing_key=self.name, content_type="text/plain", delivery_mode=2)

    def take_all(self, queue: str) -> list[Any]:
        """All messages that wait in a queue, oldest first."""
        bound = kombu.Queue(queue, exchange="")(self.channel)
        return list(iter(lambda: bound.get(no_ack=True, accept=None), None))

    def remove(self) -> None:
        """Delete queues and exchange, with what is in them."""
        if self.broker == "redis":
            with redis.Redis.from_url(self.url) as client:
                client.flushdb()
            return
        for queue in (self.name, self.master_name, f"dead_letter_{self.name}"):
            self.channel.queue_delete(queue)
        self.channel.exchange_delete(self.name)
