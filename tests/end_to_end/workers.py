"""Workers of the running system, changed for a while: another pool, other settings, points that are armed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.system import SECONDS, System
from tests.harness.logs import Log
from tests.harness.waiting import wait_until


@contextmanager
def changed_worker(system: System, service: str, *options: str, **environment: str) -> Iterator[None]:
    """Inside, the service's worker runs with these options too, the last of a kind wins, and this environment."""
    program = system.supervisor.programs[f"{service}-worker"]
    before = (program.argv, program.environment)
    program.argv = [*program.argv, *options]
    program.environment = {**program.environment, **environment}
    system.restart_worker(service)
    try:
        yield
    finally:
        program.argv, program.environment = before
        system.restart_worker(service)


def stop_in_peace(system: System, service: str) -> None:
    """SIGTERM to the worker, and wait until it begins to end."""
    process = system.supervisor.programs[f"{service}-worker"].process
    assert process is not None
    process.terminate()
    system.log(service).wait("Warm shutdown", seconds=SECONDS)


@dataclass
class Points:
    """Where a process of a service will be killed, or fail, once."""

    path: Path

    def __post_init__(self) -> None:
        self.passed = Log(Path(f"{self.path}.passed"))

    def arm(self, service: str, label: str, how: str) -> None:
        """From now on; ``how`` is "kill" or "raise"."""
        self.passed.mark()
        self.path.with_suffix(".new").write_text(json.dumps({"service": service, "label": label, "how": how}))
        self.path.with_suffix(".new").rename(self.path)

    def disarm(self) -> None:
        """What was not reached."""
        self.path.unlink(missing_ok=True)

    def wait(self, label: str, *, seconds: float = SECONDS) -> None:
        """Until somebody has passed there."""
        wait_until(
            lambda: label in self.passed.news().splitlines(), what=f"somebody at point {label!r}", seconds=seconds
        )


@contextmanager
def points(system: System, *services: str, **environment: str) -> Iterator[Points]:
    """Inside, the workers of these services have points that can be armed."""
    armed = Points(system.scratch / "points")
    extra = {"MORE_APPS": "tests.end_to_end.points.Points", "POINTS": str(armed.path), **environment}
    with ExitStack() as stack:
        for service in services:
            stack.enter_context(changed_worker(system, service, **extra))
        yield armed
