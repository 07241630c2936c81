"""Processes of a run: each in a group of its own, killed with all its children when nobody needs them any more."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.harness.logs import Log

ROOT = Path(__file__).resolve().parent.parent.parent


class CommandFailed(RuntimeError):
    """A command of the benchmark ended with an error; its last lines follow."""


def run(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a command to its end. Raises CommandFailed."""
    with log.open("ab") as output:
        done = subprocess.run(
            argv, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        raise CommandFailed(f"{' '.join(argv)} ended with {done.returncode}:\n{Log(log).tail()}")


@contextmanager
def running(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As long as the block lasts."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
