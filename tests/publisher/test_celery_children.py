"""Celery's own processes: tasks of the project that save what the service owns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from kombu import Queue

from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_postgres
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

SECONDS = 60
NAMES = [f"task {number}" for number in range(6)]


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
@on_postgres
def test_what_tasks_save_is_published_by_their_processes(
    database: str, broker: Any, shop: str, queue: Callable[..., str], start_service: Callable[..., Service], pool: str
) -> None:
    own = queue("own")
    service = start_service(database)
    service.cqrs["queue"] = own
    options = ("-Q", own, "-P", pool, "-c", "2", "-I", "tests.publisher.children", "--without-mingle")
    worker = service.start(["-m", "celery", "-A", "tests.app.celery", "worker", *options])
    with Celery("sender", broker=broker.url, set_as_current=False) as app:
        for name in NAMES:
            app.send_task("tests.publisher.save", args=[name], queue=Queue(own, no_declare=True))
    seen: list[str] = []
    wait_until(lambda: len(seen.extend(names_in(broker, shop)) or seen) == len(NAMES), what="the rows", seconds=SECONDS)
    worker.terminate()
    assert worker.wait(SECONDS) == 0
    assert sorted([*seen, *names_in(broker, shop)]) == NAMES
