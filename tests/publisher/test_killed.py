"""A process that is killed at the worst moment: what it committed is delivered all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Outbox
from tests.app.models import Author
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

StartService = Callable[..., Service]
SIGKILL = -9

KILLED_RIGHT_AFTER_COMMIT = """
with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    Author.objects.create(name="Ann")
"""
KILLED_BEFORE_COMMIT = """
with transaction.atomic():
    Author.objects.create(name="Ann")
    os.kill(os.getpid(), signal.SIGKILL)
"""
SAVED_AND_WAITING = """
Author.objects.create(name="Ann")
signal.pause()
"""


@pytest.fixture
def publish(
    configure: Callable[..., None], service: Callable[..., Celery], broker: Any, shop: str
) -> Callable[..., Any]:
    """Publishes from this process what others have left behind; what is sent waits no longer for its confirmation."""

    def again(database: str) -> None:
        service(broker.url, broker_transport_options=broker.options)
        configure(master={"replicas": {shop: "__all__"}, "resend_after_seconds": 0.001})
        resend(database)
        drain_all(database)

    return again


@pytest.mark.parametrize("broker", ["folder"], indirect=True)
def test_a_kill_right_after_the_commit_leaves_the_row_for_the_next_drain(
    database: str, broker: Any, shop: str, start_service: StartService, publish: Callable[..., Any]
) -> None:
    assert start_service(database).run_code(KILLED_RIGHT_AFTER_COMMIT).code == SIGKILL
    assert Outbox.objects.get().sent_at is None
    publish(database)
    assert names_in(broker, shop) == ["Ann"]


@pytest.mark.parametrize("broker", ["folder"], indirect=True)
@on_sqlite
def test_a_kill_before_the_commit_leaves_nothing(database: str, broker: Any, start_service: StartService) -> None:
    assert start_service(database).run_code(KILLED_BEFORE_COMMIT).code == SIGKILL
    assert (Author.objects.count(), Outbox.objects.count()) == (0, 0)


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
@on_sqlite
def test_a_kill_between_claim_and_send_is_healed_by_the_resend(
    database: str, broker: Any, shop: str, start_service: StartService, publish: Callable[..., Any]
) -> None:
    master = start_service(database, socket_timeout_seconds=120)
    broker.proxy.freeze()
    process = master.start_code(SAVED_AND_WAITING)
    claimed = Outbox.objects.exclude(sent_at=None)
    wait_until(claimed.exists, what="the claim", seconds=60)
    process.kill()
    master.wait(process)
    broker.proxy.forward()
    publish(database)
    assert names_in(broker, shop) == ["Ann"]
