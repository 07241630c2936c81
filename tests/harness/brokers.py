"""Brokers that can be taken away, given back and emptied: a folder, Redis or RabbitMQ."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import amqp
import redis

from tests.harness.proxy import Proxy

PORTS = {"redis": 6379, "amqp": 5672}


class Broker(Protocol):
    """``url`` and ``options`` go to the services, ``pool`` to their workers; ``away`` says how it is taken away."""

    url: str
    options: dict[str, Any]
    pool: Sequence[str]
    away: str

    def take_away(self) -> None:
        """From now on nobody reaches it."""

    def give_back(self) -> None:
        """Everybody reaches it again."""

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue."""

    def delete_everything(self) -> int:
        """Empty it behind everybody's back; the number of messages that were waiting."""

    def close(self) -> None:
        """Leave nothing behind."""


def broker(url: str, folder: Path, queues: Sequence[str]) -> Broker:
    """The broker that ``url`` names; without one, a folder."""
    parts = urlsplit(url)
    if not url:
        return FolderBroker(folder / "broker")
    if parts.scheme == "redis":
        return RedisBroker(parts, queues)
    if parts.scheme == "amqp":
        return RabbitBroker(parts, queues)
    raise ValueError(f"A broker url begins with redis:// or amqp://, not with {url!r}")


class FolderBroker:
    """Kombu's filesystem transport: a file a message, in one folder for all services."""

    pool: Sequence[str] = ("-P", "solo")
    away = "folder renamed away"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hidden = folder.with_name(f"{folder.name}-away")
        self.url = f"filesystem://localhost{folder}"
        places = {"data_folder_in": str(folder), "data_folder_out": str(folder), "control_folder": f"{folder}/control"}
        self.options: dict[str, Any] = {**places, "polling_interval": 0.1}
        (folder / "control").mkdir(parents=True)

    def take_away(self) -> None:
        """Rename the folder."""
        self.folder.rename(self.hidden)

    def give_back(self) -> None:
        """Rename it back."""
        self.hidden.rename(self.folder)

    def waiting(self, queue: str) -> int:
        """Count its files."""
        return len(list(self.folder.glob(f"*.{queue}.msg")))

    def delete_everything(self) -> int:
        """Delete every file but the bindings."""
        messages = list(self.folder.glob("*.msg"))
        for message in messages:
            message.unlink(missing_ok=True)
        return len(messages)

    def close(self) -> None:
        """The scratch folder goes with all that is in it."""


class ProxiedBroker:
    """A server behind a proxy of ours: the services only know the proxy."""

    pool: Sequence[str] = ("-c", "1")  # solo acknowledges late on RabbitMQ: kombu 5.7's loop may poll for 10 s first
    away = "connections dropped and refused"
    options: dict[str, Any] = {}

    def __init__(self, parts: SplitResult, queues: Sequence[str]) -> None:
        self.parts = parts
        self.queues = queues
        self.proxy = Proxy((parts.hostname or "127.0.0.1", parts.port or PORTS[parts.scheme]))
        login, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{login}{at}127.0.0.1:{self.proxy.port}").geturl()

    def take_away(self) -> None:
        """Close the proxy's port and connections."""
        self.proxy.refuse()

    def give_back(self) -> None:
        """Open them again."""
        self.proxy.forward()


class RedisBroker(ProxiedBroker):
    """A Redis database of its own number, since all that is in it will be deleted."""

    options = {"visibility_timeout": 300}

    def __init__(self, parts: SplitResult, queues: Sequence[str]) -> None:
        self.client = redis.Redis.from_url(parts.geturl(), decode_responses=True)
        strangers = [key for key in self.client.scan_iter() if not self._ours(key, queues)]
        if strangers:
            raise ValueError(f"{parts.geturl()} holds keys of somebody else ({strangers[0]}): name an empty database")
        self.client.flushdb()
        super().__init__(parts, queues)

    @staticmethod
    def _ours(key: str, queues: Sequence[str]) -> bool:
        return key.startswith(("_kombu.", "unacked", "/")) or key.partition("\x06")[0] in queues or "celery" in key

    def waiting(self, queue: str) -> int:
        """The length of its list."""
        return int(self.client.llen(queue))

    def delete_everything(self) -> int:
        """FLUSHDB, after counting what waits in the queues."""
        waiting = sum(map(self.waiting, self.queues))
        self.client.flushdb()
        return waiting

    def close(self) -> None:
        """Empty the database."""
        self.proxy.close()
        self.client.flushdb()
        self.client.close()


class RabbitBroker(ProxiedBroker):
    """The queues of the sample in a virtual host of RabbitMQ."""

    def __init__(self, parts: SplitResult, queues: Sequence[str]) -> None:
        super().__init__(parts, queues)
        self.delete_queues(queues)

    def waiting(self, queue: str) -> int:
        """What the server says of the queue."""
        return sum(self._on_queues([queue], lambda channel, name: channel.queue_declare(name, passive=True)[1]))

    def delete_everything(self) -> int:
        """Purge every queue."""
        return sum(self._on_queues(self.queues, lambda channel, name: channel.queue_purge(name)))

    def close(self) -> None:
        """Delete the queues."""
        self.proxy.close()
        self.delete_queues(self.queues)

    def delete_queues(self, queues: Sequence[str]) -> None:
        """Remove these queues, with what waits in them."""
        self._on_queues(queues, lambda channel, name: channel.queue_delete(name))

    def _on_queues(self, queues: Sequence[str], question: Callable[[amqp.Channel, str], Any]) -> list[int]:
        host = f"{self.parts.hostname}:{self.parts.port or PORTS['amqp']}"
        login = {"userid": unquote(self.parts.username or "guest"), "password": unquote(self.parts.password or "guest")}
        answers = []
        with amqp.Connection(host, **login, virtual_host=unquote(self.parts.path[1:]) or "/") as connection:
            for queue in queues:
                with suppress(amqp.NotFound):  # it closes the channel: one for each queue
                    answers.append(int(question(connection.channel(), queue) or 0))
        return answers


def environment(source: Broker) -> dict[str, str]:
    """The two variables that the sample's settings read."""
    return {"BROKER": source.url, "BROKER_OPTIONS": json.dumps(source.options)}
