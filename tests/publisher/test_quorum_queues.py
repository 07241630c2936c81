"""Quorum queues of RabbitMQ, declared as the how-to page for workers says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kombu
import pytest
from amqp.exceptions import PreconditionFailed
from celery import Celery

from celery_cqrs.exceptions import QueueFull
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Outbox
from celery_cqrs.transport.celery import CeleryTransport
from tests.app.models import Author, AuthorRef
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_postgres, on_sqlite
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, connected, parcel, transport  # noqa: F401 (fixtures)

pytestmark = pytest.mark.parametrize("broker", [RABBITMQ], indirect=True)
SECONDS = 60
QUORUM = {"x-queue-type": "quorum"}
MakeQueue = Callable[..., str]


def is_quorum(broker: Any, queue: str) -> bool:
    """Whether declaring it as a classic queue is refused."""
    try:
        with broker.inbox.connection.channel() as channel:
            channel.queue_declare(queue, durable=True, auto_delete=False)
    except PreconditionFailed:
        return True
    return False


@on_postgres
def test_a_service_on_a_quorum_queue_applies_and_confirms(
    database: str, broker: Any, queue_name: Callable[[str], str], start_service: Callable[..., Service]
) -> None:
    own = queue_name("own")
    service = start_service(database, replicas={own: ["author"]})
    service.cqrs["queue"] = own
    service.extra["SERVICE_QUORUM"] = "yes"
    options = ("-Q", own, "-c", "1", "--without-mingle", "--without-gossip")
    worker = service.start(["-m", "celery", "-A", "tests.app.celery", "worker", *options])
    wait_until(lambda: broker.inbox.exists(own), what="the queue", seconds=SECONDS)
    assert is_quorum(broker, own)
    assert service.run_code('[Author.objects.create(name=f"n{number}") for number in range(5)]').code == 0
    wait_until(lambda: not Outbox.objects.exists(), what="an empty outbox", seconds=SECONDS)
    assert AuthorRef.objects.count() == 5
    worker.terminate()
    assert worker.wait(SECONDS) == 0


def test_a_full_quorum_queue_refuses_by_name(broker: Any, queue: MakeQueue, connected: CeleryTransport) -> None:  # noqa: F811
    full = queue("full", **QUORUM, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    with pytest.raises(QueueFull, match=full):
        send_many(connected, full)  # it notices a little late


def send_many(sender: CeleryTransport, queue: str) -> None:
    for _ in range(100):
        sender.send(parcel(queue))


@on_sqlite
def test_what_a_delivery_limit_has_dropped_is_sent_again(
    database: str,
    broker: Any,
    queue: MakeQueue,
    service: Callable[..., Celery],
    configure: Callable[..., None],
) -> None:
    limited = queue("limited", **QUORUM, **{"x-delivery-limit": 1})
    service(broker.url)
    configure(master={"replicas": {limited: ["author"]}, "publish": "relay", "resend_after_seconds": 0.001})
    Author.objects.create(name="Ann")
    drain_all(database)
    deliveries = requeue_until_dropped(broker, limited)
    assert deliveries == 2
    resend(database)
    drain_all(database)
    assert names_in(broker, limited) == ["Ann"]


def requeue_until_dropped(broker: Any, queue: str) -> int:
    """Do what a worker that dies of a message makes the broker do; how often it was delivered."""
    delivered = 0

    def dropped() -> bool:
        nonlocal delivered
        message = kombu.Queue(queue, exchange="")(broker.inbox.channel).get(accept=None)
        if message is not None:
            delivered += 1
            message.requeue()
        return message is None and delivered > 0 and waiting(broker, queue) == 0

    wait_until(dropped, what="the end of the message", seconds=SECONDS)
    return delivered


def waiting(broker: Any, queue: str) -> int:
    """How many messages the server says are there."""
    return int(broker.inbox.channel.queue_declare(queue, passive=True).message_count)
