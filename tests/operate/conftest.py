"""Commands as an operator runs them: what they print, and with which code they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from celery_cqrs import signals
from celery_cqrs.models import Outbox
from tests.outbox.conftest import put


@dataclass(frozen=True)
class Ran:
    """What a command printed, the error it ended with, and its exit code."""

    output: str
    error: str = ""
    code: int = 0

    @property
    def lines(self) -> list[str]:
        """The output, line by line."""
        return self.output.splitlines()


def run(*arguments: str) -> Ran:
    """Run a command of ours with arguments as on the command line."""
    output = StringIO()
    try:
        call_command(*arguments, stdout=output)
    except CommandError as error:
        return Ran(output.getvalue(), str(error), error.returncode)
    return Ran(output.getvalue())


def aside(pk: Any = 1, error: str = "too strange to be sent", **values: Any) -> Outbox:
    """A row that was set aside and has to wait for a minute more."""
    until = timezone.now() + timedelta(seconds=60)
    return put(pk, **{"error": error, "attempts": 3, "available_at": until, **values})


@pytest.fixture
def dropped() -> Iterator[list[tuple[int, str]]]:
    """What the signal ``dropped`` has told: count and alias."""
    told: list[tuple[int, str]] = []

    def note(count: int, using: str, **_: Any) -> None:
        told.append((count, using))

    signals.dropped.connect(note)
    yield told
    signals.dropped.disconnect(note)
