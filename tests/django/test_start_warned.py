"""A worker that starts says once what should be changed: about its settings, and about the broker that it found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.django.conftest import PLAIN, RIGHT, ROOT, Run
from tests.harness.logs import Log

SECONDS = 60
WORKER = ("-m", "celery", "-A", PLAIN, "worker", "-Q", "plain", "-P", "solo", "-n", "plain@%h", "-l", "WARNING")
StartWorker = Callable[..., Log]
OwnRedis = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def start_worker(project: Run, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a worker of ``plain`` with these settings, or the recommended; its log, once it has said this."""
    started: list[subprocess.Popen[bytes]] = []

    def start(broker: str, *, until: str, **changes: Any) -> Log:
        assert project("django", "migrate", "--verbosity", "0", cqrs=RIGHT).returncode == 0
        environment = {
            "DJANGO_SETTINGS_MODULE": f"{PLAIN}.settings",
            "PLAIN_DATABASE": str(tmp_path / "plain.sqlite3"),
            "PLAIN_CQRS": json.dumps(RIGHT),
            "PLAIN_BROKER": broker,
            **({"PLAIN_SETTINGS": json.dumps(changes)} if changes else {}),
            "PYTHONUNBUFFERED": "1",
        }
        log = Log(tmp_path / "worker.log")
        with log.path.open("wb") as output:
            arguments = [sys.executable, *WORKER]
            started.append(
                subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output)
            )
        log.wait(until, seconds=SECONDS)
        return log

    yield start
    for one in started:
        one.send_signal(signal.SIGKILL)
        one.wait()


def test_a_worker_on_a_redis_that_deletes_keys_says_so_in_one_line(
    start_worker: StartWorker, own_redis: OwnRedis
) -> None:
    with own_redis("allkeys-lru") as url:
        log = start_worker(url, until=r"W026: Redis has maxmemory-policy allkeys-lru.* Set maxmemory-policy noeviction")
        assert log.count(r"celery_cqrs\.[EW]\d+") == 1


def test_a_worker_says_what_the_check_would_say(start_worker: StartWorker, own_redis: OwnRedis) -> None:
    with own_redis() as url:
        hidden = {"CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 300}}
        log = start_worker(url, until="W022", CELERY_WORKER_PREFETCH_MULTIPLIER=0, **hidden)
        assert log.count(r"celery_cqrs\.W022: A worker takes every batch that waits") == 1
        assert log.count(r"celery_cqrs\.[EW]\d+") == 1
