"""A worker's message whose acknowledgement fails does not take the place of the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import kombu
import pytest
from celery.worker.request import Request
from kombu.utils.imports import symbol_by_name

from celery_cqrs import tasks
from tests.app.celery import app
from tests.harness.proxy import Proxy

TIMEOUT_SECONDS = 0.3


@pytest.fixture
def way(redis_url: str) -> Iterator[Proxy]:
    """The worker's way to Redis."""
    parts = urlsplit(redis_url)
    proxy = Proxy((parts.hostname or "127.0.0.1", parts.port or 6379))
    yield proxy
    proxy.close()


@pytest.fixture
def channel(way: Proxy, redis_url: str) -> Iterator[Any]:
    """A channel like that of a worker that takes one message at a time and waits for an answer for a bounded time."""
    url = urlsplit(redis_url)._replace(netloc=f"127.0.0.1:{way.port}").geturl()
    with kombu.Connection(url, transport_options={"socket_timeout": TIMEOUT_SECONDS}) as connection:
        channel = connection.channel()
        channel.qos.prefetch_count = 1
        yield channel


def delivered(channel: Any, queue: str, cls: type[Request]) -> Request:
    """One task of ours in the hands of a worker."""
    bound = kombu.Queue(queue, channel=channel)
    bound.declare()
    with app.connection_for_write(channel.connection.client.as_uri(include_password=True)) as connection:
        app.send_task(tasks.APPLY, args=({},), queue=kombu.Queue(queue), connection=connection)
    message = bound.get()
    channel.qos.append(message, message.delivery_tag)
    errors = channel.connection.client.connection_errors
    return cls(message, app=app, task=app.tasks[tasks.APPLY], on_ack=message.ack_log_error, connection_errors=errors)


@pytest.mark.parametrize("task", [tasks.APPLY, tasks.CONFIRM, tasks.DRAIN, tasks.RETRY, tasks.PRUNE])
def test_an_acknowledgement_that_times_out_makes_room_for_the_next_message(
    channel: Any, way: Proxy, queue_name: Callable[[str], str], task: str
) -> None:
    delivery = delivered(channel, queue_name("delivery"), symbol_by_name(app.tasks[task].Request))
    assert not channel.qos.can_consume()
    way.freeze()
    delivery.acknowledge()
    way.forward()
    assert channel.qos.can_consume()
