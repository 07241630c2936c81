"""RabbitMQ: queues that are not there yet, that are of another kind than ours would be, or that take no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from celery_cqrs.exceptions import QueueMissing, TransportError
from celery_cqrs.transport.celery import CeleryTransport
from tests.transport.brokers import Broker
from tests.transport.conftest import RABBITMQ, parcel

pytestmark = pytest.mark.parametrize("broker", [RABBITMQ], indirect=True)
MakeQueue = Callable[..., str]
MakeName = Callable[[str], str]

KINDS: dict[str, dict[str, Any]] = {
    "classic": {},
    "quorum": {"x-queue-type": "quorum"},
    "priority": {"x-max-priority": 10},
    "limited": {"x-max-length": 100, "x-message-ttl": 3_600_000, "x-dead-letter-exchange": "graveyard"},
}


def test_a_missing_queue_is_told_by_its_name(broker: Broker, queue_name: MakeName, connected: CeleryTransport) -> None:
    shop = queue_name("shop")
    with pytest.raises(QueueMissing, match=f"Queue '{shop}' does not exist yet"):
        connected.send(parcel(shop))


def test_a_missing_queue_is_not_made_by_the_send(
    broker: Broker, queue_name: MakeName, connected: CeleryTransport
) -> None:
    shop = queue_name("shop")
    with pytest.raises(QueueMissing):
        connected.send(parcel(shop))
    assert not broker.inbox.exists(shop)


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_works_once_its_worker_has_made_it(
    broker: Broker, queue_name: MakeName, connected: CeleryTransport, kind: str
) -> None:
    shop = queue_name("shop")
    with pytest.raises(QueueMissing):
        connected.send(parcel(shop, number=1))
    broker.declare(shop, **KINDS[kind])
    connected.send(parcel(shop, number=2))
    assert [payload["number"] for _, payload in broker.arrived(shop)] == [2]


def test_a_missing_queue_does_not_disturb_the_next_send(
    broker: Broker, queue: MakeQueue, queue_name: MakeName, connected: CeleryTransport
) -> None:
    shop, search = queue("shop"), queue_name("search")
    for number in range(3):
        with pytest.raises(QueueMissing):
            connected.send(parcel(search))
        connected.send(parcel(shop, number=number))
    assert [payload["number"] for _, payload in broker.arrived(shop)] == [0, 1, 2]


def test_a_queue_that_is_deleted_later_is_missing_again(
    broker: Broker, queue: MakeQueue, connected: CeleryTransport
) -> None:
    shop = queue("shop")
    connected.send(parcel(shop))
    broker.inbox.channel.queue_delete(shop)
    with pytest.raises(QueueMissing):
        connected.send(parcel(shop))


def test_a_full_queue_that_rejects_is_a_transport_error(
    broker: Broker, queue: MakeQueue, connected: CeleryTransport
) -> None:
    shop = queue("shop", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    connected.send(parcel(shop))
    with pytest.raises(TransportError):
        connected.send(parcel(shop))


def test_a_full_queue_does_not_stop_sends_to_another(
    broker: Broker, queue: MakeQueue, connected: CeleryTransport
) -> None:
    shop, search = queue("shop", **{"x-max-length": 1, "x-overflow": "reject-publish"}), queue("search")
    connected.send(parcel(shop))
    with pytest.raises(TransportError):
        connected.send(parcel(shop))
    connected.send(parcel(search, number=2))
    assert [payload["number"] for _, payload in broker.arrived(search)] == [2]
