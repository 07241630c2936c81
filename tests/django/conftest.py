"""What the system checks say, here and in projects of their own, and registries that forget what a test has defined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from celery_cqrs.checks.problems import PAGES
from tests.harness.models import forgotten_models

ROOT = Path(__file__).resolve().parents[2]
PLAIN = "tests.django.projects.plain"
RIGHT = {"queue": "plain", "master": {"replicas": {"shop": ["note"]}}}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


STRICT_ON_PURPOSE = "replica model 'visit'"
"""A model of the tests that is warned of, and rightly."""


def problems(**options: Any) -> list[CheckMessage]:
    """What ``manage.py check`` finds that is ours."""
    ours = [one for one in run_checks(**options) if str(one.id).startswith("celery_cqrs.")]
    return [one for one in ours if STRICT_ON_PURPOSE not in one.msg]


def the_problem() -> tuple[str, str, str]:
    """Id, sentence and hint (without the page) of the one problem that there is."""
    (one,) = problems()
    number = str(one.id).removeprefix("celery_cqrs.")
    hint, page = str(one.hint).rsplit(" See ", 1)
    assert page == f"{PAGES[number]}."
    return number, str(one.msg), hint


@pytest.fixture
def project(tmp_path: Path) -> Run:
    """Runs Python modules as the project ``plain``, with these settings, on a database that is empty at first."""

    def run(
        *arguments: str,
        cqrs: dict[str, Any] | None = None,
        apps: Sequence[str] = ("celery_cqrs",),
        broker: str = "memory://",
        **settings: Any,
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "DJANGO_SETTINGS_MODULE": f"{PLAIN}.settings",
            "PLAIN_DATABASE": str(tmp_path / "plain.sqlite3"),
            "PLAIN_APPS": json.dumps(apps),
            "PLAIN_BROKER": broker,
            **({"PLAIN_SETTINGS": json.dumps(settings)} if settings else {}),
            **({} if cqrs is None else {"PLAIN_CQRS": json.dumps(cqrs)}),
        }
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def scratch_models() -> Iterator[None]:
    """Model classes that a test defines with ``app_label = "app"`` are forgotten afterwards."""
    with forgotten_models():
        yield
