"""Celery settings of the project, made for its own tasks, that must not lead ours astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kombu
import pytest
from celery import Celery

from celery_cqrs.transport.base import APPLY
from celery_cqrs.transport.celery import CeleryTransport
from tests.harness.waiting import wait_until
from tests.transport.brokers import Broker
from tests.transport.conftest import RABBITMQ, REDIS, parcel

MakeQueue = Callable[..., str]
MakeService = Callable[..., Celery]

TOPIC = kombu.Exchange("media", type="topic")
SETTINGS: dict[str, dict[str, Any]] = {
    "routes to a queue": {"task_routes": {"*": {"queue": "media"}}},
    "routes to an exchange": {"task_routes": {"*": {"exchange": "media", "routing_key": "media.video"}}},
    "routes by a function": {"task_routes": [lambda name, *_, **__: {"queue": "media", "routing_key": "video"}]},
    "another default queue": {"task_default_queue": "media"},
    "a default topic exchange": {"task_default_exchange": "media", "task_default_exchange_type": "topic"},
    "queues on a topic exchange": {"task_queues": [kombu.Queue("media", TOPIC, routing_key="media.#")]},
    "no queues made on demand": {"task_create_missing_queues": False},
    "sent events for Flower": {"task_send_sent_event": True},
    "priorities": {"task_queue_max_priority": 10, "task_default_priority": 5},
    "transient by default": {"task_default_delivery_mode": "transient"},
    "results": {"result_backend": "cache+memory://"},
    "compressed tasks": {"task_compression": "zlib"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_projects_own_settings_do_not_divert_a_task(
    broker: Broker, queue: MakeQueue, service: MakeService, transport: CeleryTransport, name: str
) -> None:
    shop = queue("shop")
    service(broker.url, broker_transport_options=broker.options, **SETTINGS[name])
    transport.send(parcel(shop))
    transport.send(parcel(shop, number=2))
    assert sorted(payload["number"] for _, payload in broker.arrived(shop)) == [1, 2]


def test_an_expiry_for_all_tasks_of_the_project_is_not_ours(
    broker: Broker, queue: MakeQueue, service: MakeService, transport: CeleryTransport
) -> None:
    shop = queue("shop")
    app = service(broker.url, broker_transport_options=broker.options, task_annotations={"*": {"expires": 60}})
    assert app.tasks[APPLY].expires == 60
    transport.send(parcel(shop))
    assert broker.inbox.take(shop).headers["expires"] is None


@pytest.mark.parametrize("broker", [REDIS], indirect=True)
def test_the_key_prefix_of_the_project_is_kept(
    broker: Broker, queue: MakeQueue, service: MakeService, transport: CeleryTransport
) -> None:
    shop = queue("shop")
    service(broker.url, broker_transport_options={"global_keyprefix": "tenant-"})
    transport.send(parcel(shop))
    assert broker.inbox.channel.client.llen(f"tenant-{shop}") == 1


def test_a_send_adds_no_queue_to_what_this_service_consumes(
    broker: Broker, queue: MakeQueue, service: MakeService, transport: CeleryTransport
) -> None:
    shop = queue("shop")
    app = service(broker.url, broker_transport_options=broker.options)
    before = set(app.amqp.queues.consume_from)
    transport.send(parcel(shop))
    transport.send(parcel(shop, countdown_seconds=5))
    assert shop not in app.amqp.queues
    assert set(app.amqp.queues.consume_from) == before


@pytest.mark.parametrize("broker", [REDIS], indirect=True)
def test_a_send_leaves_no_binding_on_redis(broker: Broker, queue: MakeQueue, connected: CeleryTransport) -> None:
    shop = queue("shop")
    connected.send(parcel(shop))
    assert set(broker.inbox.channel.client.keys()) == {shop.encode()}


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_a_send_opens_no_connection_but_its_own(broker: Broker, queue: MakeQueue, connected: CeleryTransport) -> None:
    shop = queue("shop")
    connected.send(parcel(shop))
    connected.send(parcel(shop, countdown_seconds=5))
    connected.release()
    assert broker.proxy is not None
    wait_until(lambda: broker.proxy.connections() == 0, what="no connection", seconds=5)


def test_the_transport_options_of_the_project_stay_as_they_were(
    broker: Broker, queue: MakeQueue, service: MakeService, transport: CeleryTransport
) -> None:
    shop, options = queue("shop"), {**broker.options, "visibility_timeout": 15}
    app = service(broker.url, broker_transport_options=options)
    transport.send(parcel(shop))
    assert app.conf.broker_transport_options == {**broker.options, "visibility_timeout": 15}
