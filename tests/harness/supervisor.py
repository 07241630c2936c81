"""Processes under supervision: started together, restarted when they die, all stopped at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.logs import Log

WATCH_SECONDS = 0.1
STEADY_SECONDS = 5.0  # who lived as long starts again at once; others wait longer each time
LONGEST_REST_SECONDS = 2.0
GRACE_SECONDS = 6.0


@dataclass
class Program:
    """A command line, where and how it runs, and the process that runs it now."""

    name: str
    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    log: Log
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0
    starts: int = 0
    rest_seconds: float = field(default=0.25)

    def start(self) -> None:
        """Start it in a process group of its own, appending to its log."""
        with self.log.path.open("ab") as output:
            self.process = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started = time.monotonic()
        self.starts += 1

    def send(self, number: signal.Signals, *, group: bool = True) -> None:
        """Signal the whole group, or the leader alone; one that has gone does not mind."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if group else os.kill)(self.process.pid, number)

    def ended(self) -> bool:
        """Whether its process has ended."""
        return self.process is not None and self.process.poll() is not None

    def bury(self) -> None:
        """Note a death, end what is left of the group, and say when to start again."""
        self.send(signal.SIGKILL)
        self.deaths += 1
        lived = time.monotonic() - self.started
        self.rest_seconds = 0.25 if lived > STEADY_SECONDS else min(2 * self.rest_seconds, LONGEST_REST_SECONDS)
        self.due = time.monotonic() + self.rest_seconds
        self.process = None


class Supervisor:
    """A context manager: whatever was started inside has ended when it is left, however it is left.

    Processes are started by the watching thread alone: an interrupt of the main thread never leaves one behind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.grace_seconds = GRACE_SECONDS
        self.programs: dict[str, Program] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, name: str, argv: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Program:
        """Have a program started very soon, and keep it running."""
        program = Program(name, argv, folder, environment, Log(self.folder / f"{name}.log"))
        with self._lock:
            self.programs[name] = program
        return program

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a program's whole group; if it dies of it, it will be restarted."""
        with self._lock:
            self.programs[name].send(number)

    def retire(self, name: str) -> None:
        """End a program by SIGKILL, for good."""
        with self._lock:
            program = self.programs.pop(name)
            program.send(signal.SIGKILL)
        if program.process is not None:
            program.process.wait()

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Freeze a program, as long as the block lasts."""
        self.kill(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.kill(name, signal.SIGCONT)

    def deaths(self) -> int:
        """How often a program died."""
        return sum(program.deaths for program in self.programs.values())

    def stop(self) -> None:
        """Ask every leader to end, wait a little, then end all groups by force. A second call does nothing."""
        self._closing.set()
        self._watcher.join()
        programs = [program for program in self.programs.values() if program.process]
        for program in programs:
            program.send(signal.SIGCONT)
            program.send(signal.SIGTERM, group=False)
        deadline = time.monotonic() + self.grace_seconds
        for program in programs:
            _wait(program, deadline)
            program.process = None

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            with self._lock:
                for program in self.programs.values():
                    _look_after(program)


def _look_after(program: Program) -> None:
    if program.ended():
        program.bury()
    elif program.process is None and time.monotonic() >= program.due:
        program.start()


def _wait(program: Program, deadline: float) -> None:
    assert program.process is not None
    with suppress(subprocess.TimeoutExpired):
        program.process.wait(max(0.0, deadline - time.monotonic()))
    program.send(signal.SIGKILL)
    program.process.wait()
