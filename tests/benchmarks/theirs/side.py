"""Their side: `manage.py cqrs_consume`, a message a row; what is acknowledged is told to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.side import Side


class Theirs(Side):
    name = "theirs"
    tables = ("account",)

    def worker_argv(self, processes: int, threads: int) -> Sequence[str]:
        return [self.python, "-m", "django", "cqrs_consume", "--workers", str(processes)]

    def publish(self, backlog: Path) -> None:
        self.queues.start()
        with backlog.open(encoding="utf-8") as lines:
            self.queues.publish_texts(line.rstrip("\n") for line in lines)

    def unconfirmed(self) -> int:
        return 0

    @contextmanager
    def whole_chain(self, mode: str = "relay") -> Iterator[Mapping[str, int]]:
        self.python_module("tests.benchmarks.binding", role="master")
        with self.worker("replica", 1) as worker:
            yield {"worker": worker}
