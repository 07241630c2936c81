"""A broker in trouble costs the sender a bounded time, whatever the trouble, and nothing once it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from celery import Celery

from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.transport.base import APPLY, Envelope
from celery_cqrs.transport.celery import CeleryTransport
from tests.harness.proxy import Proxy
from tests.harness.waiting import wait_until
from tests.transport.brokers import Broker, through
from tests.transport.conftest import RABBITMQ, REDIS, parcel

pytestmark = pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
MakeQueue = Callable[..., str]
PATIENT = {"socket_timeout_seconds": 30}
BOUND_SECONDS = 20
"""Ten times what is needed at most: it tells a bounded wait from one without an end, on any machine."""


@contextmanager
def refused_in_time() -> Iterator[None]:
    """The block raises BrokerUnavailable, before a hanging broker is given up by anybody but us."""
    start = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        yield
    assert time.monotonic() - start < BOUND_SECONDS


def establish(transport: CeleryTransport, envelope: Envelope) -> None:
    """Return when it is sent: on a busy machine the first try may be given up at these short bounds."""

    def is_sent() -> bool:
        with suppress(BrokerUnavailable):
            transport.send(envelope)
            return True
        return False

    wait_until(is_sent, what="a send that is not given up", seconds=60)


@pytest.fixture
def proxy(broker: Broker) -> Proxy:
    assert broker.proxy is not None
    return broker.proxy


@pytest.fixture
def shop(queue: MakeQueue) -> str:
    return queue("shop")


@pytest.fixture
def impatient(configure: Callable[..., None], connected: CeleryTransport) -> CeleryTransport:
    """The transport with short bounds, to be done sooner."""
    configure(master={"socket_timeout_seconds": 0.2})
    return connected


def numbers(broker: Broker, queue: str) -> list[int]:
    return [payload["number"] for _, payload in broker.arrived(queue)]


@pytest.fixture
def usual(configure: Callable[..., None], connected: CeleryTransport) -> CeleryTransport:
    """The transport with the bounds that a service has by default."""
    configure(master={"socket_timeout_seconds": 0.5})
    return connected


def test_a_listener_that_never_answers_is_given_up(proxy: Proxy, shop: str, usual: CeleryTransport) -> None:
    proxy.freeze()
    with refused_in_time():
        usual.send(parcel(shop))


def test_an_established_connection_that_freezes_is_given_up(proxy: Proxy, shop: str, usual: CeleryTransport) -> None:
    establish(usual, parcel(shop))
    proxy.freeze()
    with refused_in_time():
        usual.send(parcel(shop))


def test_a_refused_port_is_told_at_once(proxy: Proxy, shop: str, connected: CeleryTransport) -> None:
    proxy.refuse()
    with refused_in_time():
        connected.send(parcel(shop))


def test_a_dropped_connection_is_told_at_once(proxy: Proxy, shop: str, connected: CeleryTransport) -> None:
    connected.send(parcel(shop))
    proxy.refuse()
    with refused_in_time():
        connected.send(parcel(shop))


def test_a_large_message_into_a_frozen_connection_is_given_up(
    proxy: Proxy, shop: str, impatient: CeleryTransport
) -> None:
    establish(impatient, parcel(shop))
    proxy.freeze()
    with refused_in_time():
        impatient.send(Envelope(APPLY, shop, {"text": "x" * 16_000_000}, "one"))


def test_releasing_a_frozen_connection_is_bounded(proxy: Proxy, shop: str, impatient: CeleryTransport) -> None:
    establish(impatient, parcel(shop))
    proxy.freeze()
    start = time.monotonic()
    impatient.release()
    assert time.monotonic() - start < BOUND_SECONDS


def test_a_thawed_broker_gets_what_is_sent_next(
    configure: Callable[..., None], broker: Broker, proxy: Proxy, shop: str, impatient: CeleryTransport
) -> None:
    establish(impatient, parcel(shop, number=1))
    proxy.freeze()
    with refused_in_time():
        impatient.send(parcel(shop, number=2))
    proxy.forward()
    configure(master=PATIENT)
    impatient.send(parcel(shop, number=3))
    assert 3 in numbers(broker, shop)  # the frozen one may come out before or after it


def test_a_broker_that_was_frozen_from_the_start_serves_after_the_thaw(
    configure: Callable[..., None], broker: Broker, proxy: Proxy, shop: str, impatient: CeleryTransport
) -> None:
    proxy.freeze()
    with refused_in_time():
        impatient.send(parcel(shop, number=1))
    proxy.forward()
    configure(master=PATIENT)
    impatient.send(parcel(shop, number=2))
    assert 2 in numbers(broker, shop)


def test_a_failed_send_leaves_no_connection_behind(
    configure: Callable[..., None], proxy: Proxy, shop: str, impatient: CeleryTransport
) -> None:
    establish(impatient, parcel(shop))
    ordinary = proxy.connections()
    proxy.freeze()
    for _ in range(2):
        with refused_in_time():
            impatient.send(parcel(shop))
    proxy.forward()
    configure(master=PATIENT)
    impatient.send(parcel(shop))
    wait_until(lambda: proxy.connections() <= ordinary, what="no more connections than at first", seconds=60)


def test_a_released_transport_holds_no_connection(proxy: Proxy, shop: str, connected: CeleryTransport) -> None:
    connected.send(parcel(shop))
    connected.release()
    wait_until(lambda: proxy.connections() == 0, what="no connection", seconds=60)


def test_sends_in_a_row_share_one_connection(proxy: Proxy, shop: str, connected: CeleryTransport) -> None:
    connected.send(parcel(shop))
    ordinary = proxy.connections()
    for _ in range(5):
        connected.send(parcel(shop))
    assert proxy.connections() == ordinary


def test_a_second_broker_in_the_url_is_tried_when_the_first_is_down(
    broker: Broker, proxy: Proxy, shop: str, service: Callable[..., Celery], transport: CeleryTransport
) -> None:
    dead = Proxy(proxy.target)
    dead.refuse()
    service(f"{through(broker.url, dead.port)};{broker.url}")
    transport.send(parcel(shop, number=4))
    assert numbers(broker, shop) == [4]


def test_the_setting_moves_the_bound(
    configure: Callable[..., None], proxy: Proxy, shop: str, connected: CeleryTransport
) -> None:
    took = []
    proxy.freeze()
    for seconds in (0.1, 2):
        configure(master={"socket_timeout_seconds": seconds})
        start = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            connected.send(parcel(shop))
        took.append(time.monotonic() - start)
    assert took[0] < 2 <= took[1]
