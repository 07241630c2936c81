"""Children made by ``multiprocessing``, which end without what was registered for an interpreter's exit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from celery_cqrs.models import Outbox
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

pytestmark = on_sqlite
StartService = Callable[..., Service]
SAVE_IN_CHILD = """
import multiprocessing
from tests.publisher import children

context = multiprocessing.get_context("{method}")
{before}
connections.close_all()
child = context.Process(target=children.save, args=("child",))
child.start()
child.join()
assert child.exitcode == 0, child.exitcode
"""
SAVE_IN_PARENT = 'Author.objects.create(name="parent")'


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_a_child_that_saves_and_ends_has_published_it(
    database: str, broker: Any, shop: str, start_service: StartService, method: str
) -> None:
    ended = start_service(database).run_code(SAVE_IN_CHILD.format(method=method, before=SAVE_IN_PARENT))
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ["child", "parent"]


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.parametrize("broker", [REDIS], indirect=True)
def test_a_broker_that_hangs_does_not_hold_a_child(
    database: str, broker: Any, shop: str, start_service: StartService, method: str
) -> None:
    broker.proxy.freeze()
    ended = start_service(database).run_code(SAVE_IN_CHILD.format(method=method, before=""))
    assert ended.code == 0
    assert Outbox.objects.count() == 1


@pytest.mark.parametrize("broker", [REDIS], indirect=True)
def test_the_processes_of_a_pool_publish_what_they_save(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    code = """
from concurrent.futures import ProcessPoolExecutor
from tests.publisher import children

Author.objects.create(name="parent")
connections.close_all()
with ProcessPoolExecutor(2) as pool:
    list(pool.map(children.save, ["one", "two", "three"]))
"""
    ended = start_service(database).run_code(code)
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ["one", "parent", "three", "two"]
