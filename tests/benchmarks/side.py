"""What the two sides have in common: databases, an environment, a recorded backlog, a worker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.benchmarks.processes import ROOT, run, running
from tests.benchmarks.queues import Queues
from tests.harness.databases import PostgreSQL
from tests.services import POSTGRES
from tests.settings import RUN

ROLES = ("master", "replica")


class Side(ABC):
    """One of the two packages: its project, its interpreter and its databases."""

    name: ClassVar[str]
    tables: ClassVar[Sequence[str]]
    """What is emptied before each turn, on both sides of the broker."""
    outbox: ClassVar[str | None] = None
    """The table of what the master keeps until it is confirmed, if there is one."""

    def __init__(self, scratch: Path, python: Path, queues: Queues) -> None:
        self.scratch = scratch
        self.python = str(python)
        self.queues = queues
        mine = f"bench_cqrs_{RUN}_{queues.broker}_{self.name}"
        self.databases = {role: PostgreSQL(POSTGRES.parts, f"{mine}_{role}") for role in ROLES}

    def __enter__(self) -> Side:
        """Make both databases."""
        for role, target in self.databases.items():
            target.create()
            self.python_module("django", "migrate", "--run-syncdb", "--verbosity", "0", role=role)
        return self

    def __exit__(self, *error: object) -> None:
        for target in self.databases.values():
            target.drop()

    @abstractmethod
    def worker_argv(self, processes: int, threads: int) -> Sequence[str]:
        """The command of a worker with so many processes that apply, or with so many threads in one."""

    @abstractmethod
    def publish(self, backlog: Path) -> None:
        """Put a recorded backlog into the replica's queue."""

    def publish_captured(self, **extra: str) -> None:  # noqa: B027 (theirs publishes when it saves)
        """Publish what the master has captured, if it has not done so itself."""

    @abstractmethod
    def unconfirmed(self) -> int:
        """How many rows are not confirmed yet to the master; 0 for a package that confirms nothing."""

    def connect(self, role: str = "replica") -> Any:
        """A plain connection to a database, in autocommit; for ``with``."""
        return closing(self.databases[role].connect())

    def environment(self, role: str, **extra: str) -> dict[str, str]:
        """Of a process in that role."""
        return {
            "DJANGO_SETTINGS_MODULE": f"tests.benchmarks.{self.name}.settings",
            "PYTHONPATH": str(ROOT),
            "BENCH_ROLE": role,
            "BENCH_BROKER": self.queues.url,
            "BENCH_QUEUE": self.queues.name,
            "BENCH_DATABASE": self.databases["master" if role == "master" else "replica"].url,
            **extra,
        }

    def python_module(self, module: str, *arguments: str, role: str, **extra: str) -> None:
        """Run a module of the project to its end."""
        log = self.scratch / f"{self.name}-commands.log"
        run([self.python, "-m", module, *arguments], self.environment(role, **extra), log)

    def capture(self, first: int, last: int, **extra: str) -> None:
        """Create these accounts on the master."""
        self.python_module("tests.benchmarks.capture", str(first), str(last), role="master", **extra)

    def record(self, rows: int) -> Path:
        """What the master sends when it creates the accounts 1 to ``rows``: a line a message to the broker."""
        path = self.scratch / f"{self.name}-{rows}.jsonl"
        if not path.exists():
            self.empty("master")
            recorder = f"tests.benchmarks.{self.name}.recorder.Recorder"
            to_file = {"BENCH_TRANSPORT": recorder, "BENCH_BACKLOG": str(path)}
            self.capture(1, rows, **to_file)
            self.publish_captured(**to_file)
        return path

    def empty(self, role: str = "replica") -> None:
        """Forget the rows of earlier turns."""
        with self.connect(role) as connection:
            plain = ("plain_account",) if role == "master" else ()
            connection.execute(f"TRUNCATE {', '.join((*self.tables, *plain))}")

    @contextmanager
    def worker(self, role: str, processes: int, threads: int = 0) -> Iterator[int]:
        """A worker, as long as the block lasts; yields its process group."""
        with self.running("worker", self.worker_argv(processes, threads), role) as process:
            yield process

    @contextmanager
    def running(self, name: str, argv: Sequence[str], role: str) -> Iterator[int]:
        """A process of the project, as long as the block lasts; yields its process group."""
        with running(argv, self.environment(role), self.scratch / f"{self.name}-{name}.log") as process:
            yield process.pid

    @abstractmethod
    def whole_chain(self, mode: str = "relay") -> AbstractContextManager[Mapping[str, int]]:
        """All processes that a change needs on its way from master to replica and, with us, back: role → group."""
