"""The Celery worker of this service as ``manage.py cqrs_consume`` starts it: in its own place, or as a child that is
started anew when the code changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandError

from celery_cqrs import conf
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.transport.celery import app_path

LOOK_MILLISECONDS = 500
LEVELS = {0: "ERROR", 2: "INFO", 3: "DEBUG"}
"""Celery's log level by Django's verbosity; without one Celery's own default."""

NOT_APART = (
    "A worker takes whatever comes in queue {queue!r}: messages of other models would be lost to it, or wait for ever. "
    "Leave --cqrs-id out, or give these models a service with a queue of its own."
)
NO_LIBRARY = 'To reload, the package watchfiles is needed. Install it: pip install "celery_cqrs[reload]"'


def worker_command(workers: int, verbosity: int) -> list[str]:
    """The command line of the worker for this service's queue. Raises CeleryAppNotFound.

    It has a name of its own: RabbitMQ refuses a second worker of the same one on a host.
    """
    level = ["--loglevel", LEVELS[verbosity]] if verbosity in LEVELS else []
    queue = conf.service.queue
    place = ["-A", app_path(), "worker", "-n", f"{queue}-{os.getpid()}@%h", "-Q", queue]
    return [sys.executable, "-m", "celery", *place, "--concurrency", str(workers), *level]


def refuse_a_part(cqrs_ids: Sequence[str]) -> None:
    """Raise CommandError unless ``cqrs_ids`` are none, or all there are: a queue is for all models of its service."""
    for cqrs_id in cqrs_ids:
        if cqrs_id not in ReplicaRegistry.models:
            raise CommandError(f"Wrong CQRS ID: {cqrs_id}!")
    if cqrs_ids and set(cqrs_ids) != ReplicaRegistry.models.keys():
        raise CommandError(NOT_APART.format(queue=conf.service.queue))


def become(command: list[str]) -> NoReturn:
    """Let the worker take the place of this process: signals reach it, and its exit code is this one's."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, _environment())


@dataclass
class Reloader:
    """Runs ``command`` as a child until SIGTERM or Ctrl-C, and anew after a change of the code, or SIGHUP.

    The child is asked to end by SIGINT and killed after ``sigint_seconds``; its death is awaited ``sigkill_seconds``.
    """

    command: Sequence[str]
    ignored: Sequence[Path]
    sigint_seconds: float
    sigkill_seconds: float
    _ended: threading.Event = field(default_factory=threading.Event)
    _hung_up: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Returns the exit code of the last child. Raises CommandError."""
        changes = self._watch()
        for number, event in (
            (signal.SIGINT, self._ended),
            (signal.SIGTERM, self._ended),
            (signal.SIGHUP, self._hung_up),
        ):
            signal.signal(number, lambda *_, event=event: event.set())
        child: subprocess.Popen[bytes] | None = None
        for changed in changes:  # and now and then nothing; for the first time when it watches already
            if child is None or changed or self._hung_up.is_set():
                self._hung_up.clear()
                self._stop(child)
                child = self._start()
        return self._stop(child)

    def _watch(self) -> Any:
        if find_spec("watchfiles") is None:
            raise CommandError(NO_LIBRARY)
        watchfiles = import_module("watchfiles")
        return watchfiles.watch(
            Path.cwd(),
            watch_filter=watchfiles.PythonFilter(ignore_paths=self.ignored),
            stop_event=self._ended,
            rust_timeout=LOOK_MILLISECONDS,
            yield_on_timeout=True,
        )

    def _start(self) -> subprocess.Popen[bytes]:
        """In a session of its own, so that Ctrl-C reaches it by us alone: a second one would kill its tasks."""
        return subprocess.Popen(self.command, env=_environment(), start_new_session=True)

    def _stop(self, child: subprocess.Popen[bytes] | None) -> int:
        """Returns 0, or the exit code of a child that had ended before it was asked to."""
        code = None if child is None else child.poll()
        if child is None or code is not None:
            return abs(code or 0)
        child.send_signal(signal.SIGINT)
        try:
            child.wait(self.sigint_seconds)
            return 0
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
        try:
            child.wait(self.sigkill_seconds)
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"Worker {child.pid} was killed and does not end.") from error
        return 0


def _environment() -> dict[str, str]:
    """This process's own, and its import path: manage.py may stand in another folder than this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
