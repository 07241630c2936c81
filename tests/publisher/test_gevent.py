"""A server of greenlets: publishing gives way to requests, and each greenlet's saves are published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from celery_cqrs.models import Outbox
from tests.publisher.conftest import on_mariadb, on_postgres
from tests.publisher.processes import EPILOGUE, PRELUDE, SECONDS, Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

StartService = Callable[..., Service]
HANGS_SECONDS = 20
PATCH = "from gevent import monkey\nmonkey.patch_all()\n"
REQUESTS = """
import gevent
from celery_cqrs.master import publisher

def request(name):
    Author.objects.create(name=name)
    connections.close_all()

gevent.joinall([gevent.spawn(request, f"n{number}") for number in range(8)], raise_error=True)
connections.close_all()
"""
ALL = [f"n{number}" for number in range(8)]
WHILE_THE_BROKER_HANGS = f"""
{REQUESTS}
turns = 0
deadline = time.monotonic() + {SECONDS}
while turns < 50 and publisher._thread._thread is not None and time.monotonic() < deadline:
    gevent.sleep(0.001)
    turns += 1
print("turns", turns)
"""


def start(service: Service, code: str) -> Any:
    """Run ``code`` with everything patched from the first line on."""
    return service.wait(service.start(["-c", PATCH + PRELUDE + code + EPILOGUE]))


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
@on_postgres
def test_saves_in_greenlets_are_published_before_the_process_ends(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    ended = start(start_service(database), REQUESTS)
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ALL


@pytest.mark.parametrize("broker", [REDIS], indirect=True)
@on_mariadb
def test_a_driver_in_python_publishes_from_greenlets_too(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    ended = start(start_service(database), REQUESTS)
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ALL


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
@on_postgres
def test_a_broker_that_hangs_holds_neither_greenlets_nor_the_exit(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    broker.proxy.freeze()
    ended = start(start_service(database, socket_timeout_seconds=HANGS_SECONDS), WHILE_THE_BROKER_HANGS)
    assert "turns 50" in ended.output
    assert ended.code == 0
    assert ended.exit_seconds < HANGS_SECONDS / 2
    assert Outbox.objects.count() == len(ALL)
