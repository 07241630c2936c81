"""Both ends of a broker: the Celery app that sends through a proxy, and the inbox that reads behind it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kombu
from amqp.exceptions import NotFound

from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.transport.memory import MemoryTransport
from tests.harness.proxy import Proxy

OLD_KOMBU = kombu.VERSION < (5, 7)
"""Its filesystem transport raises UnboundLocalError when the folder is away."""

DEFAULT_PORTS = {"redis": 6379, "amqp": 5672}


class Inbox:
    """Reads queues as a Celery worker would find them, and makes queues as the worker of another service would."""

    def __init__(self, url: str, **transport_options: Any) -> None:
        self.connection = kombu.Connection(url, transport_options=transport_options)
        self.channel = self.connection.default_channel

    def declare(self, queue: str, **arguments: Any) -> None:
        """Make a durable queue; brokers without declarations need nothing."""
        if self.connection.transport.driver_type == "amqp":
            self.channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)

    def exists(self, queue: str) -> bool:
        """Whether RabbitMQ knows the queue."""
        with suppress(NotFound), self.connection.channel() as channel:
            channel.queue_declare(queue, passive=True)
            return True
        return False

    def take(self, queue: str) -> Any:
        """The oldest message of the queue, or None."""
        return kombu.Queue(queue, exchange="")(self.channel).get(no_ack=True, accept=None)

    def take_all(self, queue: str) -> list[Any]:
        """All messages of the queue, oldest first."""
        return list(iter(lambda: self.take(queue), None))

    def payloads(self, queue: str) -> list[Any]:
        """The one argument of each task that waits in the queue."""
        return [message.decode()[0][0] for message in self.take_all(queue)]

    def close(self) -> None:
        """Hang up."""
        self.connection.release()


@dataclass
class Broker:
    """A broker as services know it: ``url`` leads through ``proxy``, ``inbox`` reads behind it."""

    kind: str
    url: str
    inbox: Inbox
    proxy: Proxy | None = None
    folder: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def arrived(self, queue: str) -> list[tuple[str, Any]]:
        """The tasks that wait in the queue, each with its payload; they are taken out."""
        return [(message.headers["task"], message.decode()[0][0]) for message in self.inbox.take_all(queue)]

    def declare(self, queue: str, **arguments: Any) -> None:
        """Make the queue, as the worker of its service does."""
        self.inbox.declare(queue, **arguments)

    def take_away(self) -> None:
        """Drop all connections and refuse new ones; a folder is renamed."""
        if self.proxy:
            self.proxy.refuse()
        if self.folder:
            self.folder.rename(self.folder.with_name("away"))

    def give_back(self) -> None:
        """Serve again."""
        if self.proxy:
            self.proxy.forward()
        if self.folder:
            self.folder.with_name("away").rename(self.folder)

    def close(self) -> None:
        """Leave nothing open."""
        self.inbox.close()
        if self.proxy:
            self.proxy.close()


class NoBroker:
    """The same face for the memory transport."""

    kind = "memory"

    def arrived(self, queue: str) -> list[tuple[str, Any]]:
        """What waits in the queue; it is taken out."""
        waiting = MemoryTransport.queues.pop(queue, ())
        return [(envelope.task, envelope.payload) for envelope in waiting]

    def declare(self, queue: str) -> None:
        """Nothing to make."""

    def take_away(self) -> None:
        """Sends fail from now on."""
        MemoryTransport.fail_with = BrokerUnavailable(problem="it is away")

    def give_back(self) -> None:
        """Sends work again."""
        MemoryTransport.fail_with = None

    def close(self) -> None:
        """Forget everything."""
        MemoryTransport.clear()


def server_broker(kind: str, url: str) -> Broker:
    """Redis or RabbitMQ at ``url``."""
    parts = urlsplit(url)
    proxy = Proxy((parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme]))
    return Broker(kind, through(url, proxy.port), Inbox(url), proxy)


def folder_broker(folder: Path) -> Broker:
    """Kombu's filesystem transport, which needs no server."""
    folder.mkdir()
    places = {"data_folder_in": str(folder), "data_folder_out": str(folder), "control_folder": f"{folder}-control"}
    return Broker("folder", "filesystem://", Inbox("filesystem://", **places), folder=folder, options=places)


def through(url: str, port: int) -> str:
    """The same url at another port of this machine."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
