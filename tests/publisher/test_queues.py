"""Replicas in different states on a real broker: what is wrong with the queue of one is not felt by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox
from tests.app.models import Author
from tests.conftest import on_database
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

pytestmark = on_database("default", server=False)
MakeQueue = Callable[..., str]
FULL = {"x-max-length": 1, "x-overflow": "reject-publish"}


@pytest.fixture
def replicas(
    configure: Callable[..., None], service: Callable[..., Celery], broker: Any, publisher_off: None
) -> Callable[..., None]:
    """Gives the master these replica queues, for authors each."""

    def use(*queues: str) -> None:
        service(broker.url, broker_transport_options=broker.options)
        configure(master={"replicas": {queue: ["author"] for queue in queues}, "publish": "relay"})

    return use


@pytest.fixture
def publisher_off(configure: Callable[..., None]) -> None:
    """Only the test drains."""
    configure(master={"publish": "relay"})


@pytest.mark.parametrize("broker", ["folder", REDIS, RABBITMQ], indirect=True)
def test_each_replica_gets_its_own_copy(broker: Any, queue: MakeQueue, replicas: Callable[..., None]) -> None:
    shop, search = queue("shop"), queue("search")
    replicas(shop, search)
    Author.objects.create(name="Ann")
    drain_all("default")
    assert (names_in(broker, shop), names_in(broker, search)) == (["Ann"], ["Ann"])


@pytest.mark.parametrize("broker", [RABBITMQ], indirect=True)
def test_a_replica_that_has_never_run_does_not_hold_up_another(
    broker: Any, queue: MakeQueue, queue_name: Callable[[str], str], replicas: Callable[..., None]
) -> None:
    absent, shop = queue_name("absent"), queue("shop")
    replicas(absent, shop)
    Author.objects.create(name="Ann")
    drain_all("default")
    assert names_in(broker, shop) == ["Ann"]
    assert list(Outbox.objects.filter(sent_at=None).values_list("queue", flat=True)) == [absent]


@pytest.mark.parametrize("broker", [RABBITMQ], indirect=True)
def test_a_queue_that_takes_no_more_does_not_hold_up_another(
    broker: Any, queue: MakeQueue, replicas: Callable[..., None]
) -> None:
    full, shop = queue("full", **FULL), queue("shop")
    replicas(full, shop)
    for name in ("Ann", "Bea", "Cea"):
        Author.objects.create(name=name)
        for _ in range(3):
            breaker.reset()  # what waiting would do
            drain_all("default")
    assert names_in(broker, shop) == ["Ann", "Bea", "Cea"]


@pytest.mark.parametrize("broker", [RABBITMQ], indirect=True)
def test_what_a_full_queue_did_not_take_is_pending(
    broker: Any, queue: MakeQueue, replicas: Callable[..., None]
) -> None:
    full = queue("full", **FULL)
    replicas(full)
    for name in ("Ann", "Bea"):
        Author.objects.create(name=name)
        drain_all("default")
    assert Outbox.objects.filter(sent_at=None).count() == 1
