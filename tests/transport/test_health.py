"""What Redis says of itself when a worker is ready: asked once, briefly, and never a reason to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from celery import Celery
from redis import Redis

from celery_cqrs.checks import check_broker
from tests.transport.brokers import Broker
from tests.transport.conftest import RABBITMQ, REDIS

MakeService = Callable[..., Celery]
OwnRedis = Callable[..., AbstractContextManager[str]]
BOUND_SECONDS = 20


def what_is_said() -> list[tuple[str, str]]:
    return [(str(problem.id), str(problem.msg)) for problem in check_broker()]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_redis_that_deletes_keys_is_told(service: MakeService, own_redis: OwnRedis, policy: str) -> None:
    with own_redis(policy) as url:
        service(url)
        assert what_is_said() == [
            (
                "celery_cqrs.W026",
                f"Redis has maxmemory-policy {policy}: when its memory is full it deletes keys, messages too.",
            )
        ]


def test_a_redis_that_refuses_when_it_is_full_is_right(service: MakeService, own_redis: OwnRedis) -> None:
    with own_redis("noeviction") as url:
        service(url)
        assert what_is_said() == []


def test_a_redis_that_forbids_the_question_is_left_alone(service: MakeService, own_redis: OwnRedis) -> None:
    with own_redis("allkeys-lru") as url, Redis.from_url(url) as client:
        client.acl_setuser(
            "worker", enabled=True, passwords=["+secret"], categories=["+@all"], commands=["-info"], keys="*"
        )
        service(url.replace("//", "//worker:secret@"))
        assert what_is_said() == []


@pytest.mark.parametrize("broker", [REDIS], indirect=True)
@pytest.mark.parametrize("trouble", ["freeze", "refuse"])
def test_a_redis_in_trouble_holds_up_nobody(
    configure: Callable[..., None], service: MakeService, broker: Broker, trouble: str
) -> None:
    configure(master={"socket_timeout_seconds": 0.5})
    service(broker.url)
    assert broker.proxy is not None
    getattr(broker.proxy, trouble)()
    start = time.monotonic()
    assert what_is_said() == []
    assert time.monotonic() - start < BOUND_SECONDS


@pytest.mark.parametrize("broker", ["folder", RABBITMQ], indirect=True)
def test_another_broker_is_not_asked(service: MakeService, broker: Broker) -> None:
    service("memory://") if broker.kind == "folder" else service(broker.url)
    if broker.proxy is not None:
        broker.proxy.refuse()
    assert what_is_said() == []
