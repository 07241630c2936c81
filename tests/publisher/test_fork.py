"""A server that forks its workers: each publishes over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in

StartService = Callable[..., Service]
PUBLISH = """
import threading
from celery_cqrs import signals

sent = threading.Event()
signals.published.connect(lambda **_: sent.set(), weak=False)

def publish(name):
    sent.clear()
    Author.objects.create(name=name)
    assert sent.wait(30), name

def fork(work):
    connections.close_all()
    child = os.fork()
    if not child:
        work()
        {end}
    _, status = os.waitpid(child, 0)
    assert status == 0, status

publish("parent before")
fork(lambda: publish("child"))
publish("parent after")
"""


@pytest.mark.parametrize(
    ("broker", "end"),
    [
        pytest.param("redis", "sys.exit()", marks=pytest.mark.servers("redis"), id="redis"),
        pytest.param("rabbitmq", "sys.exit()", marks=pytest.mark.servers("rabbitmq"), id="rabbitmq"),
        pytest.param("rabbitmq", "os._exit(0)", marks=pytest.mark.servers("rabbitmq"), id="rabbitmq-abrupt"),
    ],
    indirect=["broker"],
)
@on_sqlite
def test_parent_and_forked_child_both_publish(
    database: str, broker: Any, shop: str, start_service: StartService, end: str
) -> None:
    ended = start_service(database).run_code(PUBLISH.replace("{end}", end))
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ["child", "parent after", "parent before"]


@pytest.mark.parametrize("broker", ["folder"], indirect=True)
@on_sqlite
def test_a_child_that_publishes_only_at_its_exit_is_waited_for(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    code = PUBLISH.replace("{end}", "sys.exit()").replace(
        'fork(lambda: publish("child"))', 'fork(lambda: Author.objects.create(name="child"))'
    )
    ended = start_service(database).run_code(code)
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ["child", "parent after", "parent before"]
