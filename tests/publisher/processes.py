"""Processes of one service: what a web worker or a management command does, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
DATABASE_KEYS = ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD", "OPTIONS")
PRELUDE = """
import os, signal, sys, time
import django, kombu.transport.pyamqp, kombu.transport.redis
django.setup()
from django.db import connections, transaction
from celery_cqrs.models import Outbox
from tests.app.models import *
"""
EPILOGUE = """
print("last line at", time.monotonic(), flush=True)
"""


@dataclass
class Ended:
    """How a process ended; ``exit_seconds`` is the time from its last line of code to its end."""

    code: int
    output: str
    errors: str
    exit_seconds: float


@dataclass
class Service:
    """What the processes of a service share."""

    database: str
    broker_url: str
    broker_options: dict[str, Any]
    cqrs: dict[str, Any]
    extra: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the service, for ``tests.publisher.service_settings``."""
        database = {key: connections[self.database].settings_dict[key] for key in DATABASE_KEYS}
        return {
            "DJANGO_SETTINGS_MODULE": "tests.publisher.service_settings",
            "SERVICE_DATABASE": json.dumps(database),
            "SERVICE_BROKER": self.broker_url,
            "SERVICE_BROKER_OPTIONS": json.dumps(self.broker_options),
            "SERVICE_CQRS": json.dumps(self.cqrs),
            **self.extra,
        }

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        """Start Python with these arguments."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def start_code(self, code: str) -> subprocess.Popen[str]:
        """Start a process that runs ``code`` with Django set up and the models at hand."""
        return self.start(["-c", PRELUDE + code + EPILOGUE])

    def start_relay(self, *flags: str) -> subprocess.Popen[str]:
        """Start ``manage.py cqrs_relay``."""
        return self.start(["-m", "django", "cqrs_relay", *flags])

    def run_code(self, code: str) -> Ended:
        """Run ``code`` in a process of its own to the end."""
        return self.wait(self.start_code(code))

    def wait(self, process: subprocess.Popen[str], seconds: float = SECONDS) -> Ended:
        """Wait for the end of a process."""
        output, errors = process.communicate(timeout=seconds)
        ended_at = time.monotonic()
        last = [float(line.split()[-1]) for line in output.splitlines() if line.startswith("last line at")]
        return Ended(process.returncode, output, errors, ended_at - last[-1] if last else 0)

    def close(self) -> None:
        """End what is still running, forked children too: all of it, before anything can go wrong with one."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.started:
            process.communicate()
