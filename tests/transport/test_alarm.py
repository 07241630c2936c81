"""A RabbitMQ that runs out of memory takes nothing more from publishers: each attempt is given up in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.transport.celery import CeleryTransport
from tests.harness.servers import OwnRabbitMQ
from tests.needs import require_program
from tests.transport.brokers import Inbox
from tests.transport.conftest import parcel

BOUND_SECONDS = 10


class Overfull(OwnRabbitMQ):
    """One that thinks a megabyte is too much."""

    def _environment(self) -> dict[str, str]:
        environment = super()._environment()
        (self.folder / "rabbitmq.conf").write_text("vm_memory_high_watermark.absolute = 1MB\n")
        return environment


def test_a_rabbitmq_under_a_memory_alarm_is_given_up_in_time(
    service: Callable[..., Celery], configure: Callable[..., None], transport: CeleryTransport, tmp_path: Path
) -> None:
    require_program(OwnRabbitMQ)
    with Overfull(tmp_path / "rabbitmq") as node:
        inbox = Inbox(node.url)
        inbox.declare("shop")
        service(node.url)
        configure(master={"socket_timeout_seconds": 0.5})
        for _ in range(3):
            start = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                transport.send(parcel("shop"))
            assert time.monotonic() - start < BOUND_SECONDS
        inbox.close()
