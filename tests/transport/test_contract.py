"""What every transport does: the one for tests and Celery's on each broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from celery_cqrs.exceptions import BrokerUnavailable, TransportError
from celery_cqrs.transport.base import APPLY, CONFIRM, RETRY, Envelope, Transport
from tests.transport.brokers import OLD_KOMBU
from tests.transport.conftest import RABBITMQ, REDIS, parcel

pytestmark = pytest.mark.parametrize("broker", ["memory", "folder", REDIS, RABBITMQ], indirect=True)
MakeQueue = Callable[..., str]


@pytest.fixture
def _honest_errors(broker: Any) -> None:
    if broker.kind == "folder" and OLD_KOMBU:
        pytest.skip("this kombu hides what is wrong with a folder")


needs_honest_errors = pytest.mark.usefixtures("_honest_errors")


def numbers(broker: Any, queue: str) -> list[int]:
    """The parcels that wait in the queue, whatever their order."""
    return sorted(payload["number"] for _, payload in broker.arrived(queue))


def test_what_is_sent_arrives_in_its_queue(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop = queue("shop")
    connected.send(parcel(shop))
    assert broker.arrived(shop) == [(APPLY, {"number": 1, "name": "secret person"})]


def test_no_other_queue_gets_a_copy(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop, search = queue("shop"), queue("search")
    connected.send(parcel(shop))
    assert broker.arrived(search) == []


def test_two_queues_get_each_their_own_task(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop, search = queue("shop"), queue("search")
    connected.send(parcel(shop, number=1))
    connected.send(parcel(search, number=2))
    assert (numbers(broker, shop), numbers(broker, search)) == ([1], [2])


@pytest.mark.parametrize("task", [APPLY, CONFIRM, RETRY])
def test_a_task_arrives_under_its_name(broker: Any, queue: MakeQueue, connected: Transport, task: str) -> None:
    shop = queue("shop")
    connected.send(parcel(shop, task=task))
    assert [name for name, _ in broker.arrived(shop)] == [task]


def test_a_sent_payload_arrives_as_json_carries_it(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop, text = queue("shop"), "مصر 中国 🇫🇷 \x00 \u2028"
    connected.send(Envelope(APPLY, shop, {"text": text, "tuple": (1, 2), "none": None, "big": 2**63}, "one"))
    assert broker.arrived(shop) == [(APPLY, {"text": text, "tuple": [1, 2], "none": None, "big": 2**63})]


def test_a_payload_that_is_json_already_arrives_as_the_same_object(
    broker: Any, queue: MakeQueue, connected: Transport
) -> None:
    shop, payload = queue("shop"), {"text": 'مصر 🇫🇷 " \\ \u2028', "deep": [{"n": 1.5}, None]}
    connected.send(Envelope.written(APPLY, shop, json.dumps(payload, ensure_ascii=False), "one"))
    assert broker.arrived(shop) == [(APPLY, payload)]


def test_a_payload_of_megabytes_arrives_whole(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop = queue("shop")
    connected.send(Envelope(APPLY, shop, {"text": "x" * 2_000_000}, "one"))
    assert [len(payload["text"]) for _, payload in broker.arrived(shop)] == [2_000_000]


def test_changing_the_payload_after_the_send_changes_nothing(
    broker: Any, queue: MakeQueue, connected: Transport
) -> None:
    shop, names = queue("shop"), ["before"]
    connected.send(Envelope(APPLY, shop, {"names": names}, "one"))
    names[0] = "after"
    assert broker.arrived(shop) == [(APPLY, {"names": ["before"]})]


def test_a_payload_that_json_cannot_carry_is_not_blamed_on_the_broker(
    broker: Any, queue: MakeQueue, connected: Transport
) -> None:
    shop = queue("shop")
    with pytest.raises(Exception) as caught:
        connected.send(Envelope(APPLY, shop, {"bad": object()}, "one"))
    assert not isinstance(caught.value, TransportError)
    assert broker.arrived(shop) == []


@needs_honest_errors
def test_a_broker_that_is_away_raises_and_works_again_when_it_is_back(
    broker: Any, queue: MakeQueue, connected: Transport
) -> None:
    shop = queue("shop")
    connected.send(parcel(shop, number=1))
    broker.take_away()
    with pytest.raises(BrokerUnavailable):
        connected.send(parcel(shop, number=2))
    broker.give_back()
    connected.send(parcel(shop, number=3))
    assert numbers(broker, shop) == [1, 3]


@needs_honest_errors
def test_a_broker_that_is_away_at_the_first_send_works_when_it_is_back(
    broker: Any, queue: MakeQueue, connected: Transport
) -> None:
    shop = queue("shop")
    broker.take_away()
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            connected.send(parcel(shop))
    broker.give_back()
    connected.send(parcel(shop, number=2))
    assert numbers(broker, shop) == [2]


def test_a_released_transport_sends_again(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop = queue("shop")
    connected.release()
    connected.send(parcel(shop, number=1))
    connected.release()
    connected.release()
    connected.send(parcel(shop, number=2))
    assert numbers(broker, shop) == [1, 2]


def test_threads_that_send_at_once_lose_nothing(broker: Any, queue: MakeQueue, connected: Transport) -> None:
    shop, together = queue("shop"), threading.Barrier(4)

    def send(thread: int) -> None:
        together.wait(60)
        for number in range(10):
            connected.send(parcel(shop, number=10 * thread + number))
        connected.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert numbers(broker, shop) == list(range(40))
