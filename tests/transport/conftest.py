"""A service with a Celery app of its own on each broker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from celery_cqrs.transport import current
from celery_cqrs.transport.base import APPLY, Envelope, Transport
from celery_cqrs.transport.celery import CeleryTransport
from celery_cqrs.transport.memory import MemoryTransport
from tests.transport.brokers import NoBroker, folder_broker, server_broker

REDIS = pytest.param("redis", marks=pytest.mark.servers("redis"))
RABBITMQ = pytest.param("rabbitmq", marks=pytest.mark.servers("rabbitmq"))


@pytest.fixture(params=["folder", REDIS, RABBITMQ])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """One broker after the other."""
    made = open_broker(request, request.param, tmp_path)
    yield made
    made.close()


def open_broker(request: pytest.FixtureRequest, kind: str, folder: Path) -> Any:
    """The broker of this kind, empty."""
    if kind == "memory":
        return NoBroker()
    if kind == "folder":
        return folder_broker(folder / "broker")
    return server_broker(kind, request.getfixturevalue(f"{kind}_url"))


@pytest.fixture
def queue(broker: Any, queue_name: Callable[[str], str]) -> Callable[..., str]:
    """Makes queues that exist on the broker, as those of a replica whose worker has run."""

    def make(stem: str, **arguments: Any) -> str:
        name = queue_name(stem)
        broker.declare(name, **arguments)
        return name

    return make


@pytest.fixture
def service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Celery]]:
    """Makes the Celery app of the service under test, which sends with Celery from then on.

    It is patient with the broker, unless its test has said how long a socket may take: a slow machine is no fault.
    """
    with ExitStack() as opened:

        def make(broker_url: str, **configuration: Any) -> Celery:
            app = Celery("service", broker=broker_url, set_as_current=False)
            app.conf.update(configuration)
            module = ModuleType(f"service_{token_hex(4)}")
            module.app = app
            monkeypatch.setitem(sys.modules, module.__name__, module)
            transport = "celery_cqrs.transport.celery.CeleryTransport"
            master = {"socket_timeout_seconds": 30, **settings.CQRS["master"]}
            celery_app = f"{module.__name__}:app"
            settings.CQRS = {**settings.CQRS, "celery_app": celery_app, "transport": transport, "master": master}
            opened.callback(app.close)
            opened.callback(current().release)  # it lives as long as the process, and so would its connection
            return app

        yield make


@pytest.fixture
def transport() -> Iterator[CeleryTransport]:
    """A fresh transport, hung up at the end."""
    made = CeleryTransport()
    yield made
    made.release()


@pytest.fixture
def connected(broker: Any, service: Callable[..., Celery], transport: CeleryTransport) -> Transport:
    """The transport of a service whose Celery app has no settings but the broker."""
    if broker.kind == "memory":
        return MemoryTransport()
    service(broker.url, broker_transport_options=broker.options)
    return transport


def parcel(queue: str, *, number: int = 1, task: str = APPLY, countdown_seconds: float | None = None) -> Envelope:
    """An envelope whose payload has a value that nobody may see in passing."""
    return Envelope(task, queue, {"number": number, "name": "secret person"}, f"country ×{number}", countdown_seconds)
