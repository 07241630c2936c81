"""The sample on a broker of its own, with two writers that commit all the time: where faults happen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.end_to_end.system import System
from tests.faults.ledger import Ledger, marks_of
from tests.harness.databases import database
from tests.harness.logs import Log
from tests.harness.proxy import Proxy
from tests.harness.sample import PROJECT, REPLICAS, SERVICES
from tests.harness.servers import OwnRabbitMQ, OwnRedis, OwnServer
from tests.harness.waiting import TooLateError, pace, wait_until
from tests.settings import RUN

WRITERS = (1, 2)
WARM_SECONDS = 6
BROKERS: dict[str, type[OwnServer]] = {"redis": OwnRedis, "rabbitmq": OwnRabbitMQ}
OPTIONS = {"redis": {"visibility_timeout": 15, "socket_timeout": 5, "health_check_interval": 3}, "rabbitmq": {}}
LATE_SECONDS = 3


class Arena(System):
    """A context manager, as its parents are. ``server`` is the broker; ``mutation`` is an app that spoils atlas."""

    def __init__(self, scratch: Path, *, server: OwnServer, database_url: str, mutation: str = "") -> None:
        super().__init__(scratch, broker_url=server.url, database_url=database_url)
        self.server = server
        self.kind = "redis" if isinstance(server, OwnRedis) else "rabbitmq"
        self.mutation = mutation
        self.databases = {name: database(database_url, f"test_cqrs_{RUN}_f_{name}", scratch) for name in SERVICES}
        self.ways["web"] = self.new_way()
        self.rate = 3.0
        self.busy: list[tuple[float, float]] = []
        self.control = scratch / "writers"
        self.control.mkdir()
        self.ledgers = [Ledger(self.control / f"ledger-{number}") for number in WRITERS]
        self.environment |= {
            **{f"{name.upper()}_DATABASE": target.url for name, target in self.databases.items()},
            "DJANGO_SETTINGS_MODULE": "tests.faults.service_settings",
            "BROKER_OPTIONS": json.dumps(OPTIONS[self.kind]),
        }

    def __exit__(self, *error: object) -> None:
        self.server.start()  # so that the queues can be deleted, whatever a fault has left
        super().__exit__(*error)

    def environment_of(self, service: str) -> dict[str, str]:
        """As the parent's; a mutation spoils the master alone."""
        extra = {"MORE_APPS": self.mutation} if service == "atlas" else {}
        return {**super().environment_of(service), **extra}

    def begin(self, *rates: float) -> None:
        """Databases, workers, beats and writers; the writers are idle. ``rates`` are for ``find_rate``, if given."""
        self.prepare()
        self.start("--without-heartbeat")
        for number in WRITERS:
            self.start_python(f"writer-{number}", "-m", "tests.faults.writer", str(number), str(self.control))
        self.hold_writers()
        if rates:
            self.find_rate(rates)

    def start_python(self, name: str, *argv: str, **environment: str) -> None:
        """Start a program of atlas that goes its own way to the broker, under supervision."""
        own = {**self.environment, **self.environment_of("atlas"), "BROKER": self.by(self.ways["web"]), **environment}
        self.supervisor.start(name, [sys.executable, *argv], folder=PROJECT / "atlas", environment=own)

    # ── writers ────────────────────────────────────────────────────────────────────────────────────────────────────
    def let_write(self) -> None:
        """From now on the writers commit."""
        for number in WRITERS:
            (self.control / f"idle-{number}").unlink(missing_ok=True)
        (self.control / "go").write_text(str(self.rate))

    def find_rate(self, rates: Sequence[float]) -> None:
        """Choose the first of these commits a second, of each writer, twice of which this machine can carry."""
        for rate in rates:
            self.rate = 2 * rate
            self.let_write()
            pace(time.monotonic() + WARM_SECONDS)
            late = self.waiting_since(self.now() - timedelta(seconds=LATE_SECONDS))
            self.rate = rate
            self.hold_writers()
            self.settle(seconds=120, progress=lambda _: None)
            if not late:
                return

    def hold_writers(self, seconds: float = 60) -> None:
        """Return when both writers are idle, and with no order to die, and read their ledgers."""
        (self.control / "go").unlink(missing_ok=True)
        for number in WRITERS:
            for name in (f"die-{number}", f"idle-{number}"):
                (self.control / name).unlink(missing_ok=True)
        wait_until(
            lambda: all((self.control / f"idle-{number}").exists() for number in WRITERS),
            what="idle writers",
            seconds=seconds,
        )
        for ledger in self.ledgers:
            ledger.read()

    def written(self, number: int) -> int:
        """Bytes in the writer's ledger: they grow as long as it lives."""
        path = self.ledgers[WRITERS.index(number)].path
        return path.stat().st_size if path.exists() else 0

    def restart_writers(self, **cqrs: Any) -> None:
        """Have them started anew with these settings of the master; they are idle before and after."""
        for number in WRITERS:
            program = self.supervisor.programs[f"writer-{number}"]
            program.environment = {**program.environment, "CHANGED_CQRS": json.dumps({"master": cqrs})}
            (self.control / f"idle-{number}").unlink(missing_ok=True)
            self.kill_program(f"writer-{number}")
        self.hold_writers()

    def kill_program(self, name: str) -> None:
        """SIGKILL, by order: the supervisor starts it again."""
        self.supervisor.kill(name)

    def restart_server(self) -> None:
        """Start the broker again, and remember when that kept the machine busy: a boot takes a core for seconds."""
        start = time.monotonic()
        self.server.start()
        self.busy.append((start, time.monotonic()))

    # ── what is seen ───────────────────────────────────────────────────────────────────────────────────────────────
    def all_ways(self) -> list[Proxy]:
        """Of the three services and of the writers."""
        return list(self.ways.values())

    def now(self) -> datetime:
        """By the clock of the master's database."""
        moment: datetime = self.rows("atlas", "SELECT now()")[0][0]
        return moment

    def waiting_since(self, moment: datetime) -> int:
        """How many changes that were captured before are not confirmed yet."""
        return self.size("atlas", f"celery_cqrs_outbox WHERE captured_at <= '{moment.isoformat()}'")

    def save_seconds(self, start: float, end: float) -> list[float]:
        """How long the timed saves took in this period, but for those while the broker was starting."""
        found = [one for ledger in self.ledgers for one in ledger.saves(start, end)]
        return [one.seconds for one in found if not any(low <= one.at < high + 0.5 for low, high in self.busy)]

    def catch_up(self, seconds: float) -> float | None:
        """The seconds until all that is captured by now is confirmed, while the writers go on; None if it never is."""
        moment = self.now()
        with suppress(TooLateError):
            return wait_until(lambda: not self.waiting_since(moment), what="no backlog", seconds=seconds)
        return None

    def wrongs(self) -> list[str]:
        """One sentence for each row that a replica has not as the master, and each that the master should not have."""
        marks = marks_of(self.databases["atlas"])
        return self.compare()[1] + [line for ledger in self.ledgers for line in ledger.untrue(marks)]

    def left_over(self) -> list[str]:
        """What should be empty at the end and is not."""
        names = [("atlas", "celery_cqrs_outbox"), *((name, "celery_cqrs_letter") for name in REPLICAS)]
        return [f"{count} rows in {table} of {name}" for name, table in names if (count := self.size(name, table))]

    def logs(self) -> list[Log]:
        """Of all programs, marked: ``news`` is what they say from now on."""
        logs = [Log(path) for path in self.scratch.glob("*.log")]
        for log in logs:
            log.mark()
        return logs
