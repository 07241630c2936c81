"""The operator's commands as processes: what a shell or a monitoring system sees when something is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.django.conftest import RIGHT, Run, project  # noqa: F401 (fixture)
from tests.outbox.conftest import put
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import ROOT, Service

CQRS = {"queue": "atlas", "celery_app": "tests.app.celery:app", "master": {"replicas": {"shop": "__all__"}}}
COMMANDS = {"status": ("cqrs_status",), "list": ("cqrs_outbox", "list"), "relay": ("cqrs_relay", "--once")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_database_that_is_away_is_told_in_one_sentence(
    project: Run,  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    (tmp_path / "plain.sqlite3").mkdir()
    done = project("django", *COMMANDS[name], cqrs=RIGHT)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "atabase" in done.stderr and "does not answer: unable to open database file" in done.stderr


def test_a_database_that_is_away_is_in_the_document(project: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "plain.sqlite3").mkdir()
    done = project("django", "cqrs_status", "--json", cqrs=RIGHT)
    (database,) = json.loads(done.stdout)["databases"]
    assert done.returncode == 2 and database["is_here"] is False
    assert database["problem"] == "unable to open database file"


def test_tables_that_are_not_there_are_told_with_what_makes_them(project: Run) -> None:  # noqa: F811
    done = project("django", "cqrs_status", cqrs=RIGHT)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "database 'default' has no table celery_cqrs_outbox. Run: manage.py migrate" in done.stderr
    listed = project("django", "cqrs_outbox", "list", cqrs=RIGHT)
    assert listed.returncode == 1 and "No database has an outbox." in listed.stderr


@on_sqlite
def test_a_list_whose_reader_has_seen_enough_ends_in_peace(database: str) -> None:
    put()
    service = Service(database, "memory://", {}, CQRS)
    command = f"{sys.executable} -m django cqrs_outbox list | true"
    environment = {**os.environ, **service.environment}
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Broken" not in done.stderr and "Traceback" not in done.stderr
