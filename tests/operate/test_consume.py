"""``manage.py cqrs_consume``: the worker of a service, under the name that it has in django-cqrs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from celery_cqrs.exceptions import CeleryAppNotFound
from celery_cqrs.management.worker import worker_command
from celery_cqrs.registry import ReplicaRegistry
from tests.app.models import AuthorRef
from tests.harness.waiting import wait_until
from tests.operate.conftest import run
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import ROOT, SECONDS, Service
from tests.transport.conftest import broker  # noqa: F401 (fixture)

on_folder = pytest.mark.parametrize("broker", ["folder"], indirect=True)


class Running:
    """A process whose output is read from a file."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "output.log"
        paths = os.pathsep.join([str(ROOT), *sys.path])
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, word: str, times: int) -> None:
        """Return when ``word`` has been printed so often."""

        def is_there() -> bool:
            return self.log.read_text().count(word) >= times

        wait_until(lambda: is_there() or self.process.poll() is not None, what=word, seconds=SECONDS)
        assert is_there(), self.log.read_text()

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts processes, and ends those that are still there."""
    started: list[Running] = []

    def make(*arguments: str, **environment: str) -> Running:
        started.append(Running(list(arguments), tmp_path, environment))
        return started[-1]

    yield make
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def own_replica(database: str, broker: Any) -> Service:  # noqa: F811
    """A service that is its own master and replica."""
    master = {"replicas": {"replica": "__all__"}, "socket_timeout_seconds": 30}
    cqrs = {"queue": "replica", "celery_app": "tests.app.celery:app", "master": master}
    return Service(database, broker.url, broker.options, cqrs)


@on_folder
@on_sqlite
@pytest.mark.parametrize("flags", [(), ("--reload", "--sigint-timeout", "30")])
def test_it_applies_what_comes_in_the_queue_and_ends_when_told(
    database: str,
    broker: Any,  # noqa: F811
    start: Callable[..., Running],
    flags: tuple[str, ...],
) -> None:
    own = own_replica(database, broker)
    consumer = start("-m", "django", "cqrs_consume", "-v", "2", *flags, **own.environment)
    consumer.wait_for(" ready.", 1)
    assert own.run_code('Author.objects.create(name="Ann")').code == 0
    wait_until(AuthorRef.objects.exists, what="the author", seconds=SECONDS)
    assert consumer.end(signal.SIGTERM) == 0


RELOAD = """
import sys
from pathlib import Path
from celery_cqrs.management.worker import Reloader
sys.exit(Reloader(["sh", "-c", sys.argv[1]], [Path("ignored").resolve()], 0.5, 30).run())
"""
PATIENT = "echo started; exec sleep 60"
STUBBORN = "trap '' INT; echo started; while true; do sleep 1; done"


@pytest.mark.parametrize("child", [PATIENT, STUBBORN])
def test_a_change_of_the_code_and_a_hang_up_start_the_worker_anew(
    start: Callable[..., Running], tmp_path: Path, child: str
) -> None:
    (tmp_path / "ignored").mkdir()
    reloader = start("-c", RELOAD, child)
    reloader.wait_for("started", 1)
    (tmp_path / "ignored" / "other.py").write_text("1")
    (tmp_path / "notes.txt").write_text("1")
    reloader.process.send_signal(signal.SIGHUP)
    reloader.wait_for("started", 2)
    (tmp_path / "code.py").write_text("1")
    reloader.wait_for("started", 3)
    assert reloader.end(signal.SIGINT) == 0
    assert reloader.log.read_text() == "started\n" * 3


def test_a_worker_that_cannot_start_waits_for_better_code_and_hands_on_its_exit_code(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    reloader = start("-c", RELOAD, "echo failed; exit 3")
    reloader.wait_for("failed", 1)
    (tmp_path / "code.py").write_text("1")
    reloader.wait_for("failed", 2)
    reloader.process.send_signal(signal.SIGTERM)
    assert reloader.process.wait(SECONDS) == 3


def test_the_worker_runs_for_the_queue_of_the_service_with_the_app_of_the_settings() -> None:
    command = f"celery -A tests.app.celery:app worker -n replica-{os.getpid()}@%h -Q replica --concurrency 4"
    assert worker_command(4, 1)[2:] == command.split()
    assert worker_command(1, 3)[-2:] == ["--loglevel", "DEBUG"]


def test_an_app_that_cannot_be_found_is_told(configure: Callable[..., None]) -> None:
    configure(celery_app="tests.app.nowhere:app")
    with pytest.raises(CeleryAppNotFound):
        worker_command(1, 1)
    ran = run("cqrs_consume")
    assert (ran.code, ran.error[:26]) == (1, "No Celery app was found, n")


def test_a_part_of_the_models_is_refused_since_the_rest_would_be_lost() -> None:
    assert run("cqrs_consume", "--cqrs-id", "nobody").error == "Wrong CQRS ID: nobody!"
    refused = run("cqrs_consume", "-cid", "author", "box", "-cid", "shelf")
    assert refused.code == 1
    assert refused.error.startswith("A worker takes whatever comes in queue 'replica'")


def test_all_models_of_the_service_are_no_part(configure: Callable[..., None]) -> None:
    configure(celery_app="tests.app.nowhere:app")
    ran = run("cqrs_consume", "--cqrs-id", *ReplicaRegistry.models)
    assert ran.error.startswith("No Celery app was found")


@pytest.mark.parametrize("flags", [("-w", "0"), ("-w", "two"), ("--sigint-timeout", "-1")])
def test_numbers_that_cannot_be_meant_are_refused(flags: tuple[str, str]) -> None:
    assert "argument" in run("cqrs_consume", *flags).error
