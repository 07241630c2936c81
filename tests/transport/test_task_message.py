"""What a Celery worker finds in its queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import kombu.serialization
import pytest
from celery import Celery

from celery_cqrs.transport.base import APPLY, RETRY
from celery_cqrs.transport.celery import CeleryTransport
from tests.transport.brokers import Broker
from tests.transport.conftest import RABBITMQ, REDIS, parcel

MakeQueue = Callable[..., str]
MakeService = Callable[..., Celery]


@pytest.fixture
def shop(queue: MakeQueue) -> str:
    return queue("shop")


@pytest.fixture
def message(broker: Broker, shop: str, connected: CeleryTransport) -> Any:
    connected.send(parcel(shop, number=249))
    return broker.inbox.take(shop)


def test_the_body_has_one_positional_argument_and_no_keywords(message: Any) -> None:
    arguments, keywords, _ = json.loads(message.body)
    assert (arguments, keywords) == ([{"number": 249, "name": "secret person"}], {})


def test_the_content_type_is_json(message: Any) -> None:
    assert message.content_type == "application/json"


def test_people_see_the_summary_instead_of_the_arguments(message: Any) -> None:
    assert (message.headers["argsrepr"], message.headers["kwargsrepr"]) == ("country ×249", "")


def test_no_value_is_outside_the_body(message: Any) -> None:
    assert "secret" not in repr((message.headers, message.properties, message.delivery_info))


def test_the_task_never_expires_by_celery(message: Any) -> None:
    assert message.headers["expires"] is None
    assert "expiration" not in message.properties


def test_no_result_is_asked_for(message: Any) -> None:
    assert message.headers["ignore_result"] is True


def test_the_message_outlives_a_restart_of_the_broker(message: Any) -> None:
    assert message.properties["delivery_mode"] == 2


def test_the_message_goes_through_the_anonymous_exchange(message: Any, shop: str) -> None:
    assert (message.delivery_info["exchange"], message.delivery_info["routing_key"]) == ("", shop)


def test_the_routing_of_a_countdown_task_is_the_same(broker: Broker, shop: str, connected: CeleryTransport) -> None:
    connected.send(parcel(shop, task=RETRY, countdown_seconds=15))
    message = broker.inbox.take(shop)
    assert message.headers["eta"] is not None
    assert message.delivery_info["exchange"] == ""


def test_a_task_without_countdown_has_no_eta(message: Any) -> None:
    assert message.headers["eta"] is None


def test_a_service_that_signs_its_messages_signs_ours(
    broker: Broker, shop: str, service: MakeService, transport: CeleryTransport
) -> None:
    service(broker.url, broker_transport_options=broker.options, task_serializer="auth")
    kombu.serialization.register("auth", lambda value: f"signed:{json.dumps(value)}", json.loads, "application/data")
    try:
        transport.send(parcel(shop))
    finally:
        kombu.serialization.unregister("auth")
    message = broker.inbox.take(shop)
    assert message.content_type == "application/data"
    assert "signed:" in str(message.body)


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack"])
def test_another_serializer_of_the_project_is_not_used(
    broker: Broker, shop: str, service: MakeService, transport: CeleryTransport, serializer: str
) -> None:
    service(broker.url, broker_transport_options=broker.options, task_serializer=serializer)
    transport.send(parcel(shop))
    assert broker.inbox.take(shop).content_type == "application/json"


def test_a_project_that_compresses_its_tasks_still_reads_ours(
    broker: Broker, shop: str, service: MakeService, transport: CeleryTransport
) -> None:
    service(broker.url, broker_transport_options=broker.options, task_compression="zlib")
    transport.send(parcel(shop, number=7))
    assert broker.arrived(shop) == [(APPLY, {"number": 7, "name": "secret person"})]


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_what_one_thread_sends_stays_in_order(broker: Broker, shop: str, connected: CeleryTransport) -> None:
    for number in range(5):
        connected.send(parcel(shop, number=number))
    assert [payload["number"] for _, payload in broker.arrived(shop)] == [0, 1, 2, 3, 4]
