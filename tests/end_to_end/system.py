"""The sample as the system under test: databases and broker of its own, and a proxy of its own for each service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Queue

from tests.harness.databases import Row, database, rows
from tests.harness.logs import Log
from tests.harness.proxy import Proxy
from tests.harness.sample import PROJECT, READY, REPLICAS, SERVICES, Sample
from tests.harness.views import VIEWS
from tests.harness.waiting import wait_until
from tests.settings import RUN

SECONDS = 60
"""The deadline of whatever should happen soon; reached only when it never happens, on any machine."""
PRUNE = "celery_cqrs.prune"
PRELUDE = """
import os, signal
import django
django.setup()
from django.db import transaction
from atlas.models import Country, Subdivision

def country(code, name):
    return Country(alpha_2=code, alpha_3=f"{code}X", numeric="900", name=name, flag="🏁")

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
"""
SAVE_ALL = """
for row in (*Country.objects.all(), *Subdivision.objects.all()):
    row.name = row.name.replace("deadly", "harmless")
    row.save()
"""


class System(Sample):
    """``ways`` are the services' ways to the broker; ``kills`` is what the trap has noted."""

    def __init__(self, scratch: Path, *, broker_url: str, database_url: str) -> None:
        super().__init__(scratch, broker_url=broker_url, database_url=database_url)
        mine = f"test_cqrs_{RUN}_{scratch.name}"  # two systems may run at the same time
        self.databases = {name: database(database_url, f"{mine}_{name}", scratch) for name in SERVICES}
        self.ways = {name: self.new_way() for name in SERVICES}
        self.kills = Log(scratch / "kills")
        self.supervisor.grace_seconds = 0  # nobody asks how they end when all tests are done
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment |= {
            **{f"{name.upper()}_DATABASE": target.url for name, target in self.databases.items()},
            "DJANGO_SETTINGS_MODULE": "tests.end_to_end.service_settings",
            "PYTHONPATH": str(PROJECT.parent),
            "KILLS": str(self.kills.path),
        }

    def __exit__(self, *error: object) -> None:
        self.end_processes()
        super().__exit__(*error)
        for way in self.ways.values():
            way.close()

    def prepare(self) -> None:
        """As the sample's, without the migrations of other people's apps, which take longest."""
        for target in self.databases.values():
            target.create()
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(lambda name: self.manage(name, "migrate", "--run-syncdb", "--verbosity", "0"), SERVICES))

    def calm_down(self) -> None:
        """Leave nothing of an earlier test, also of one that failed: processes, closed ways, letters, changes."""
        self.end_processes()
        for way in self.ways.values():
            way.forward()
        self.forget_letters()
        self.settle(seconds=SECONDS, progress=lambda _: None)
        if self.compare()[1]:
            self.start_again()

    def start_again(self) -> None:
        """Have replicas that differ, as a failed test leaves them, filled anew."""
        for view in reversed(VIEWS):
            self.execute(view.replica, f"DELETE FROM {view.table}")
        self.run_code(SAVE_ALL)
        self.converge()

    # ── processes ──────────────────────────────────────────────────────────────────────────────────────────────────
    def new_way(self) -> Proxy:
        """One more proxy between somebody and the broker."""
        return Proxy(self.broker.proxy.target)

    def by(self, way: Proxy) -> str:
        """The broker's url for whoever goes this way."""
        parts = urlsplit(self.broker.url)
        return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{way.port}")).geturl()

    def environment_of(self, service: str) -> dict[str, str]:
        """What its processes get beside the common environment."""
        return {"SERVICE": service, "BROKER": self.by(self.ways[service])}

    def manage(self, service: str, *arguments: str, **extra: str) -> str:
        """As the sample's, with the service's own environment."""
        return super().manage(service, *arguments, **{**self.environment_of(service), **extra})

    def celery(self, service: str, *arguments: str) -> None:
        """As the sample's, with the service's own environment."""
        argv = [sys.executable, "-m", "celery", "-A", service, *arguments]
        environment = {**self.environment, **self.environment_of(service)}
        self.supervisor.start(f"{service}-{arguments[0]}", argv, folder=PROJECT / service, environment=environment)

    def start_process(
        self, service: str, *argv: str, way: Proxy | None = None, database_url: str = "", **cqrs: Any
    ) -> subprocess.Popen[bytes]:
        """Start Python for a service: with changed CQRS settings, by another way to the broker, on another database."""
        extra = {**self.environment_of(service), "CHANGED_CQRS": json.dumps(cqrs)}
        extra |= {f"{service.upper()}_DATABASE": database_url} if database_url else {}
        extra |= {"BROKER": self.by(way)} if way else {}
        with self.commands.path.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *argv],
                cwd=PROJECT / service,
                env={**os.environ, **self.environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.started.append(process)
        return process

    def start_code(self, code: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process of atlas that runs ``code``."""
        return self.start_process("atlas", "-c", PRELUDE + code, **options)

    def run_code(self, code: str, *, ends_with: int = 0, **options: Any) -> None:
        """Run ``code`` in a process of atlas to its end, which must be this exit code."""
        code_seen = self.start_code(code, **options).wait(SECONDS)
        assert code_seen == ends_with, f"it ended with {code_seen}\n{self.commands.tail()}"

    def end_processes(self) -> None:
        """End what the tests have started and not ended."""
        while self.started:
            process = self.started.pop()
            process.kill()
            process.wait()

    def send(self, queue: str, task: str, payload: Any) -> str:
        """Send a task as any Celery program can, without our package and not by a service's way; returns its id."""
        with Celery("stranger", broker=self.broker.url, set_as_current=False) as app:
            sent = app.send_task(task, args=[payload], queue=Queue(queue, no_declare=True), ignore_result=True)
            return str(sent.id)

    def wait_ended(self, service: str, task_id: str) -> str:
        """Until the service's worker is through with a task: "succeeded" or "raised"."""
        return self.log(service).wait(rf"Task \S+\[{task_id}\] (succeeded|raised)", seconds=SECONDS)[1]

    def wait_idle(self, service: str) -> None:
        """Return when a harmless task at the end of the queue is done: all before it are, also what no log tells."""
        self.wait_ended(service, self.send(service, PRUNE, None))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL; return when it is dead."""
        process.kill()
        assert process.wait(SECONDS) == -signal.SIGKILL

    def pid(self, service: str) -> int:
        """Of the service's worker."""
        process = self.supervisor.programs[f"{service}-worker"].process
        assert process is not None
        return process.pid

    def restart_worker(self, service: str) -> None:
        """Kill it and wait for the next one."""
        self.kill_worker(service)
        self.log(service).wait(READY, seconds=SECONDS)

    @contextmanager
    def without_beat(self, *services: str) -> Iterator[None]:
        """Inside, nothing happens at these services by the clock."""
        for name in services:
            self.supervisor.kill(f"{name}-beat", signal.SIGSTOP)
        try:
            for name in services:
                self.wait_idle(name)
            yield
        finally:
            for name in services:
                self.supervisor.kill(f"{name}-beat", signal.SIGCONT)

    # ── tables ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def rows(self, service: str, sql: str) -> list[Row]:
        """What a query finds in a service's database."""
        return rows(self.databases[service], sql)

    def execute(self, service: str, sql: str) -> None:
        """Change a service's database behind everybody's back."""
        with closing(self.databases[service].connect()) as connection:
            connection.cursor().execute(sql)

    def letters_of(self, service: str) -> list[Row]:
        """State, id, key and reason of its letters, in the order of arrival."""
        return self.rows(service, "SELECT state, cqrs_id, pk, reason FROM celery_cqrs_letter ORDER BY id")

    def forget_letters(self) -> None:
        """Delete what was put aside, and the counts of what was buried, at both replicas."""
        for service in REPLICAS:
            self.execute(service, "DELETE FROM celery_cqrs_letter")
            self.execute(service, "DELETE FROM celery_cqrs_attempt")

    def wait_for(self, service: str, sql: str, *, seconds: float = SECONDS) -> float:
        """Wait until a query finds something; the seconds it took."""
        return wait_until(lambda: self.rows(service, sql), what=f"{sql} at {service}", seconds=seconds)

    def wait_equal(self, *, seconds: float = SECONDS) -> float:
        """Wait until both replicas have what the master has; the seconds it took."""
        return wait_until(lambda: not self.compare()[1], what="equal tables", seconds=seconds)

    def converge(self, *, seconds: float = SECONDS) -> None:
        """The end of every test: nothing under way, no letter, and plain SQL finds the same on both sides."""
        start = time.monotonic()
        self.settle(seconds=seconds, progress=lambda _: None)
        count, lines = self.compare()
        assert count and lines == []
        print(f"{count} rows are equal, {time.monotonic() - start:.1f} s after the last word")
