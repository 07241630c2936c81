"""Labelled points of the flow, in the services under test: a process that passes the armed one is killed, or fails.

The labels are signals that exist, of the package, of Django's models and of Celery, and the statements that pass the
database connection; so the product has no hook for it. A file arms one point, once.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import AppConfig

SIGNALS = ("received", "applied", "skipped", "retried", "waiting", "died", "confirmed")


class Points(AppConfig):
    """An app of the services under test."""

    name = "tests.end_to_end.points"
    label = "points"

    def ready(self) -> None:
        """Stand at every point."""
        from celery.signals import task_postrun, task_prerun
        from django.db.backends.signals import connection_created
        from django.db.models.signals import post_save, pre_save

        from celery_cqrs import signals

        for name in SIGNALS:
            getattr(signals, name).connect(_passing(name), weak=False)
        for when, sent in (("before", task_prerun), ("after", task_postrun)):
            sent.connect(_passing_task(when), weak=False)
        for when, saved in (("before", pre_save), ("after", post_save)):
            saved.connect(_passing_row(when), weak=False)
        connection_created.connect(_watch_statements, weak=False)


def _passing(label: str) -> Callable[..., None]:
    return lambda **_: step(label)


def _passing_task(when: str) -> Callable[..., None]:
    return lambda task, **_: step(f"{when} {task.name}")


def _passing_row(when: str) -> Callable[..., None]:
    return lambda sender, **_: step(f"{when} the write of {sender._meta.db_table}")


def _watch_statements(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_execute)


def _execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    label = _label_of(sql)
    step(f"before {label}")
    result = execute(sql, params, many, context)
    step(f"after {label}")
    return result


def _label_of(sql: str) -> str:
    """The statement's verb and table: "insert celery_cqrs_attempt"."""
    found = re.match(r'\s*(INSERT INTO|UPDATE|DELETE FROM|SELECT)\b.*?"?(\w*celery_cqrs_\w+)"?', sql, re.DOTALL)
    return f"{found[1].split()[0].lower()} {found[2]}" if found else sql.split(None, 1)[0].lower()


def step(label: str) -> None:
    """If ``label`` is armed in this process's service, disarm it, note that, and die or fail."""
    path = Path(os.environ["POINTS"])
    try:
        armed = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return
    if (armed["service"], armed["label"]) != (os.environ["SERVICE"], label) or not _take(path):
        return
    with Path(f"{path}.passed").open("a") as passed:
        passed.write(f"{label}\n")
    if armed["how"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"at point {label!r}")


def _take(path: Path) -> bool:
    """Whether it was this process that disarmed the point."""
    try:
        path.rename(f"{path}.{os.getpid()}")
    except FileNotFoundError:
        return False
    return True
