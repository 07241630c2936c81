"""Our side: `celery worker`, batches of 500, every row confirmed to the master's queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from celery import Celery
from kombu import Queue

from tests.benchmarks.side import Side


class Ours(Side):
    name = "ours"
    outbox = "celery_cqrs_outbox"
    tables = ("account", "celery_cqrs_outbox", "celery_cqrs_tombstone", "celery_cqrs_letter")

    def worker_argv(self, processes: int, threads: int) -> Sequence[str]:
        pool = ["-P", "threads"] if threads else []
        return [*self.argv_on(self.queues.name, threads or processes), *pool]

    def argv_on(self, queue: str, processes: int) -> Sequence[str]:
        """A worker's command, with its queue."""
        app = "tests.benchmarks.ours.celery"
        name = f"{queue}@%h"  # two of them are on one host and, with RabbitMQ, on one virtual host
        return [self.python, "-m", "celery", "-A", app, "worker", "-Q", queue, "-c", str(processes), "-n", name]

    def publish_captured(self, **extra: str) -> None:
        self.python_module("django", "cqrs_relay", "--once", role="master", **extra)

    def publish(self, backlog: Path) -> None:
        self.queues.start()
        self.waiting: set[int] = set()
        with backlog.open() as lines, Celery("bench", broker=self.queues.url, set_as_current=False) as app:
            for line in lines:
                payload = json.loads(line)
                self.waiting.update(_ids(payload))
                queue = Queue(self.queues.name, no_declare=True)
                app.send_task("celery_cqrs.apply", [payload], queue=queue, argsrepr="", ignore_result=True)

    def unconfirmed(self) -> int:
        for message in self.queues.take_all(self.queues.master_name):
            (confirmation,), *_ = message.decode()
            for batch in confirmation["batches"]:
                self.waiting.difference_update(batch["outbox_ids"])
        return len(self.waiting)

    @contextmanager
    def whole_chain(self, mode: str = "relay") -> Iterator[Mapping[str, int]]:
        commands = {"confirm": self.argv_on(self.queues.master_name, 1)}
        if mode == "relay":
            commands["relay"] = [self.python, "-m", "django", "cqrs_relay"]
        with ExitStack() as running, self.worker("replica", 1) as worker:
            groups = {
                name: running.enter_context(self.running(name, argv, "master")) for name, argv in commands.items()
            }
            yield {"worker": worker, **groups}


def _ids(payload: dict[str, list[dict[str, list[int]]]]) -> Iterator[int]:
    for message in payload["messages"]:
        yield from message["outbox_ids"]
