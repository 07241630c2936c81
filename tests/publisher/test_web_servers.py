"""A web server that loads the application, publishes, and then forks its workers: gunicorn with ``--preload``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import pytest

from celery_cqrs.models import Outbox
from tests.harness.sample import free_port
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_postgres
from tests.publisher.processes import Service
from tests.publisher.test_exit import names_in
from tests.transport.conftest import RABBITMQ, REDIS

SECONDS = 60
NAMES = [f"request {number}" for number in range(6)]


def serve(service: Service, *flags: str) -> tuple[subprocess.Popen[str], str]:
    """Start gunicorn with two workers; the process and its address, once it answers."""
    port = free_port(0)
    address = ("-b", f"127.0.0.1:{port}", "-w", "2", "--log-level", "warning", *flags)
    process = service.start(["-m", "gunicorn", *address, "tests.publisher.wsgi:save_author"])
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url), what="an answer of gunicorn", seconds=SECONDS)
    return process, url


def answers(url: str) -> bool:
    try:
        return bool(urlopen(f"{url}/request%200", timeout=SECONDS).status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
@pytest.mark.parametrize("flags", [("--preload",), ("--preload", "-k", "gthread", "--threads", "4")], ids=" ".join)
@on_postgres
def test_workers_forked_after_a_first_publish_publish_their_requests(
    database: str, broker: Any, shop: str, start_service: Callable[..., Service], flags: tuple[str, ...]
) -> None:
    process, url = serve(start_service(database), *flags)
    for name in NAMES[1:]:
        assert urlopen(f"{url}/{name.replace(' ', '%20')}", timeout=SECONDS).read() == b"saved"
    process.terminate()
    assert process.wait(SECONDS) == 0
    assert not Outbox.objects.filter(sent_at=None).exists()
    assert names_in(broker, shop) == sorted([*NAMES, "while importing"])
