"""The three services of ``sample_project`` as running processes on one broker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness.brokers import Broker, broker, environment
from tests.harness.databases import Database, Row, database, held, rows
from tests.harness.logs import Log
from tests.harness.supervisor import Supervisor
from tests.harness.views import VIEWS
from tests.harness.waiting import wait_until

SERVICES = ("atlas", "shop", "search")
REPLICAS = SERVICES[1:]
PROJECT = Path(__file__).resolve().parents[2] / "sample_project"
READY = r"\w+@\S+ ready\."
RECEIVED = r"received [\d,]+ messages? from atlas"
TASK_BEGINS = r"Task celery_cqrs\.\w+\[\S+\] received"
TASK_ENDS = r"Task celery_cqrs\.\w+\[\S+\] (?:succeeded|raised)|Discarding revoked task: celery_cqrs"


class Sample:
    """A context manager: makes databases and broker ready, and on leaving stops and removes everything."""

    def __init__(self, scratch: Path, *, broker_url: str = "", database_url: str = "") -> None:
        self.scratch = scratch
        self.databases: dict[str, Database] = {
            name: database(database_url, f"cqrs_demo_{name}", scratch) for name in SERVICES
        }
        self.broker: Broker = broker(broker_url, scratch, SERVICES)
        self.place = f"{_public(broker_url) or 'a folder'} and {_public(database_url) or 'SQLite files'}"
        self.supervisor = Supervisor(scratch)
        self.commands = Log(scratch / "commands.log")
        (scratch / "tmp").mkdir()
        self.environment = {
            **{f"{name.upper()}_DATABASE": target.url for name, target in self.databases.items()},
            **environment(self.broker),
            "TMPDIR": str(scratch / "tmp"),
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self) -> Sample:
        self.supervisor.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.supervisor.stop()
        self.broker.close()
        for target in self.databases.values():
            target.drop()

    def manage(self, service: str, *arguments: str, **extra: str) -> str:
        """Run a ``manage.py`` command to its end; its output, or an error that shows it."""
        with self.commands.path.open("ab") as errors:
            done = subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=PROJECT / service,
                env={**os.environ, **self.environment, **extra},
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{service}: manage.py {' '.join(arguments)} failed\n{self.commands.tail()}")
        return done.stdout.decode().strip()

    def prepare(self) -> None:
        """Create and migrate the three databases, side by side."""
        for target in self.databases.values():
            target.create()
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(lambda name: self.manage(name, "migrate", "--verbosity", "0"), SERVICES))

    def start(self, *options: str) -> None:
        """Start a worker (with these options too) and a beat per service; return when the workers are ready."""
        options = (*self.broker.pool, "--without-mingle", "--without-gossip", *options)
        for name in SERVICES:
            self.celery(name, "worker", "-Q", name, "-l", "INFO", "-n", f"{name}@%h", *options)
            self.celery(name, "beat", "-l", "WARNING", "--pidfile=")
        for name in SERVICES:
            self.log(name).wait(READY, seconds=120)

    def celery(self, service: str, *arguments: str) -> None:
        """Start a Celery program of a service under supervision, as ``<service>-<what>``."""
        argv = [sys.executable, "-m", "celery", "-A", service, *arguments]
        self.supervisor.start(f"{service}-{arguments[0]}", argv, folder=PROJECT / service, environment=self.environment)

    def log(self, service: str, what: str = "worker") -> Log:
        """The log of a service's worker or beat."""
        return self.supervisor.programs[f"{service}-{what}"].log

    def kill_worker(self, service: str) -> None:
        """SIGKILL to the worker and its children; return when they are dead. The supervisor will start it again."""
        self.log(service).mark()
        program = self.supervisor.programs[f"{service}-worker"]
        deaths = program.deaths
        self.supervisor.kill(program.name, signal.SIGKILL)
        wait_until(lambda: program.deaths > deaths, what=f"the death of {program.name}", seconds=30)

    @contextmanager
    def occupied(self, *services: str) -> Iterator[None]:
        """Inside, the worker of each service has a message in its hands and waits for its database, which is held.

        Its beat is frozen and the worker idle before, so that the message in its hands is the one made here.
        """
        with ExitStack() as stack:
            for name in services:
                stack.enter_context(self.supervisor.paused(f"{name}-beat"))
                self.wait_idle(name)
                tables = [view.table for view in VIEWS if view.replica == name]
                stack.enter_context(held(self.databases[name], *tables))
                self.log(name).mark()
            self.manage("atlas", "story", "one")
            for name in services:
                self.log(name).wait(RECEIVED)
            yield

    def wait_idle(self, service: str) -> None:
        """Return when the service's worker has nothing to do."""
        wait_until(lambda: self.idle(service), what=f"an idle worker of {service}", seconds=60)

    def idle(self, service: str) -> bool:
        """Whether the service's worker, in its present life, has nothing to do."""
        life = re.split(READY, self.log(service).text())[-1]
        busy = len(re.findall(TASK_BEGINS, life)) > len(re.findall(TASK_ENDS, life))
        return not busy and not self.broker.waiting(service)

    def outbox(self, condition: str = "1 = 1") -> list[Row]:
        """What the master has not seen confirmed: queue, model, key."""
        return rows(self.databases["atlas"], f"SELECT queue, cqrs_id, pk FROM celery_cqrs_outbox WHERE {condition}")

    def size(self, service: str, table: str) -> int:
        """How many rows a table has."""
        return int(rows(self.databases[service], f"SELECT COUNT(*) FROM {table}")[0][0])

    def settle(self, *, seconds: float, progress: Callable[[str], Any]) -> float:
        """Wait until every change is confirmed and no letter is open; the seconds it took."""

        def settled() -> bool:
            if changes := self.size("atlas", "celery_cqrs_outbox"):
                progress(f"{changes:,} changes under way")
            elif letters := sum(self.size(name, "celery_cqrs_letter") for name in REPLICAS):
                progress(f"{letters:,} letters wait for their next try")
            else:
                return True
            return False

        return wait_until(settled, what="an empty outbox and no letters", seconds=seconds)

    def compare(self) -> tuple[int, list[str]]:
        """Rows compared, and how the replicas differ from the master, column by column."""
        results = [view.compare(self.databases) for view in VIEWS]
        return sum(count for count, _ in results), [line for _, lines in results for line in lines]

    def serve(self, service: str, port: int) -> str:
        """Start the service's admin on this port, or another if that is taken; the address, once it answers."""
        port = free_port(port)
        argv = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        self.supervisor.start(f"{service}-web", argv, folder=PROJECT / service, environment=self.environment)
        self.log(service, "web").wait("Starting development server")
        return f"http://127.0.0.1:{port}/"

    def watch(self, port: int) -> str:
        """Start Flower on this port, or another if that is taken; the address, once it answers."""
        port = free_port(port)
        self.celery("atlas", "flower", "--address=127.0.0.1", f"--port={port}")
        self.log("atlas", "flower").wait("Visit me")
        return f"http://127.0.0.1:{port}/"

    def count(self, pattern: str) -> int:
        """How many lines match in all logs of this run."""
        return sum(Log(path).count(pattern) for path in self.scratch.glob("*.log"))

    def total(self, pattern: str) -> int:
        """The sum of a number over all logs of this run."""
        return sum(Log(path).total(pattern) for path in self.scratch.glob("*.log"))


def _public(url: str) -> str:
    """The url without its login."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def free_port(wanted: int) -> int:
    """This port if nobody listens there, else one that the system chooses."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise OSError(f"no port is free, not even {wanted}")
