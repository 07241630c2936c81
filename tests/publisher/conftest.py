"""A service that publishes: by a thread of this process, or in processes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import pytest

from celery_cqrs.background import Background
from celery_cqrs.master import publisher
from tests.conftest import on_database
from tests.publisher.processes import SECONDS, Service
from tests.publisher.recorder import Make, Recorder
from tests.publisher.transports import Distant
from tests.transport.conftest import broker, queue, service  # noqa: F401 (fixtures)


def only_on(alias: str, *, server: bool = True) -> pytest.MarkDecorator:
    """Run a test on one database."""
    parameter = pytest.param(alias, marks=on_database(alias, server=server))
    return pytest.mark.parametrize("database", [parameter], indirect=True)


on_sqlite = only_on("default", server=False)
on_postgres = only_on("postgres")
on_mariadb = only_on("mariadb")


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test() -> Iterator[None]:
    """The publisher's thread holds a database connection for a while."""
    yield
    Distant.renew()
    publisher._thread.finish(SECONDS)


@pytest.fixture
def distant(configure: Callable[..., None]) -> type[Distant]:
    """The transport of the service in this process: commits do not wait for it."""
    Distant.renew()
    configure(transport="tests.publisher.transports.Distant", master={"breaker_seconds": 0.1})
    return Distant


@pytest.fixture
def shop(queue: Callable[..., str]) -> str:  # noqa: F811
    """The queue of the one replica."""
    return queue("shop")


@pytest.fixture
def start_service(broker: Any, shop: str) -> Iterator[Callable[..., Service]]:  # noqa: F811
    """Makes a service on a database, whose processes publish to ``shop`` through ``broker``.

    They are patient with the broker, since a slow machine is none of what these tests are about.
    """
    made: list[Service] = []

    def make(database: str, **master: Any) -> Service:
        cqrs = {"queue": "atlas", "celery_app": "tests.app.celery:app"}
        cqrs["master"] = {"replicas": {shop: "__all__"}, "socket_timeout_seconds": 60, **master}
        made.append(Service(database, broker.url, broker.options, cqrs))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def recorder() -> Recorder:
    """A work that notes what is done with it."""
    return Recorder()


@pytest.fixture
def make(recorder: Recorder) -> Iterator[Make]:
    """Makes backgrounds that run the recorder's work."""
    made: list[Background] = []

    def background(idle_seconds: float) -> Background:
        made.append(Background(f"test-{token_hex(4)}", recorder.work, recorder.release, idle_seconds))
        return made[-1]

    yield background
    for one in made:
        one.finish()
