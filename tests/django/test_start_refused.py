"""A process that could not do its work does not start, and says why."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.django.conftest import PLAIN, RIGHT, Run

WORKER = ("celery", "-A", PLAIN, "worker", "-Q", "plain", "-P", "solo", "--without-gossip", "--without-mingle")
RELAY = ("django", "cqrs_relay", "--once")
NO_QUEUE = 'CQRS has no "queue".'
SWAPPED = "names 'visitor', which is a replica model here."
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no queue": ({"master": {"replicas": {"shop": ["note"]}}}, "E001", NO_QUEUE),
    "roles swapped": ({"queue": "plain", "master": {"replicas": {"shop": ["visitor"]}}}, "E008", SWAPPED),
}


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", WRONG)
def test_a_worker_with_wrong_settings_does_not_start(project: Run, name: str) -> None:
    cqrs, number, sentence = WRONG[name]
    done = project(*WORKER, cqrs=cqrs)
    assert done.returncode != 0
    assert f"celery_cqrs.{number}" in said(done)
    assert sentence in said(done)
    assert "Traceback" not in said(done)


def test_a_worker_without_tables_does_not_start(project: Run) -> None:
    done = project(*WORKER, cqrs=RIGHT)
    assert done.returncode != 0
    assert "database 'default' has no table celery_cqrs_outbox. Run: manage.py migrate" in said(done)


@pytest.mark.parametrize("name", WRONG)
def test_a_relay_with_wrong_settings_does_not_start(project: Run, name: str) -> None:
    cqrs, number, sentence = WRONG[name]
    done = project(*RELAY, cqrs=cqrs)
    assert done.returncode != 0
    assert f"celery_cqrs.{number}" in done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_relay_without_tables_does_not_start(project: Run) -> None:
    done = project(*RELAY, cqrs=RIGHT)
    assert done.returncode != 0
    assert "database 'default' has no table celery_cqrs_outbox." in done.stderr


@pytest.mark.parametrize(
    "apps", [("celery_cqrs.dj_cqrs",), ("celery_cqrs", "celery_cqrs.dj_cqrs")], ids=["alone", "both"]
)
def test_the_old_import_paths_are_no_app(project: Run, apps: tuple[str, ...]) -> None:
    done = project("django", "check", cqrs=RIGHT, apps=apps)
    assert done.returncode != 0
    assert 'put "celery_cqrs" into INSTALLED_APPS instead of "celery_cqrs.dj_cqrs"' in done.stderr
