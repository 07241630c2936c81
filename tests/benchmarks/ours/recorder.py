"""A transport that writes what it would send to a file: the backlog that is published before each run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from celery_cqrs.transport.base import Envelope, Transport


class Recorder(Transport):
    """One line a task: the payload as it would travel."""

    def __init__(self) -> None:
        self.file = Path(os.environ["BENCH_BACKLOG"]).open("a", encoding="utf-8")  # noqa: SIM115 (as long as the process)

    def send(self, envelope: Envelope) -> None:
        """Write the line."""
        self.file.write(json.dumps(envelope.payload) + "\n")
        self.file.flush()
