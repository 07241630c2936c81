"""The diff commands as a pipe in this process: what one prints is what the next one reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command

from celery_cqrs import testing
from tests import router

STALE = ("cqrs_diff_replica", "cqrs_diff_sync")
DELETED = ("cqrs_deleted_diff_master", "cqrs_deleted_sync_replica")


@dataclass(frozen=True)
class Ran:
    """What a command printed, what it said, the sentence that it ended with and its exit code."""

    output: str
    errors: str
    refusal: str = ""
    code: int = 0

    @property
    def lists(self) -> list[Any]:
        """The lines behind the header."""
        return [json.loads(line) for line in self.output.splitlines()[1:]]


def run(*arguments: Any, given: str = "") -> Ran:
    """Run a command of ours with ``given`` as its standard input."""
    output, errors = StringIO(), StringIO()
    with standard_input(StringIO(given)):
        try:
            call_command(*arguments, stdout=output, stderr=errors)
        except CommandError as error:
            return Ran(output.getvalue(), errors.getvalue(), str(error), error.returncode)
    return Ran(output.getvalue(), errors.getvalue())


def pipe(first: tuple[Any, ...], *others: str) -> list[Ran]:
    """Run ``first``, and each of ``others`` with what the one before has printed."""
    ran = [run(*first)]
    for command in others:
        ran.append(run(command, given=ran[-1].output))
    assert [one.refusal for one in ran] == [""] * len(ran)
    return ran


def mend_stale(cqrs_id: str) -> list[Ran]:
    """Run the pipe that sends stale and missing rows again, and deliver them."""
    ran = pipe(("cqrs_diff_master", "--cqrs-id", cqrs_id), *STALE)
    deliver()
    return ran


def mend_deleted(cqrs_id: str) -> list[Ran]:
    """Run the pipe that deletes what the replica should not have."""
    return pipe(("cqrs_deleted_diff_replica", "--cqrs-id", cqrs_id), *DELETED)


def deliver() -> None:
    """Bring what is captured to the replica."""
    testing.publish([router.Router.process_alias or "default"])
    testing.deliver()


@contextmanager
def standard_input(stream: Any) -> Iterator[None]:
    """``stream`` in place of this process's own."""
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before
