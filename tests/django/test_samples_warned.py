"""Projects that follow the README are not warned of anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.django.conftest import RIGHT, ROOT, Run

NOTHING = "System check identified no issues (0 silenced).\n"
SERVICES = ("atlas", "shop", "search")


@pytest.mark.parametrize("service", SERVICES)
def test_the_check_has_nothing_to_say_of_a_service_of_the_sample(service: str, tmp_path: Path) -> None:
    database = {f"{service.upper()}_DATABASE": f"sqlite3://{tmp_path}/db.sqlite3"}
    environment = {**os.environ, **database, "DJANGO_SETTINGS_MODULE": f"{service}.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT / "sample_project" / service,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (NOTHING, "")


@pytest.mark.parametrize("broker", ["redis://127.0.0.1/0", "amqp://127.0.0.1//"])
def test_the_check_has_nothing_to_say_of_the_settings_in_the_readme(project: Run, broker: str) -> None:
    block = re.search(r"## Both\n\n```python\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    shown: dict[str, object] = {}
    exec(block[1], shown)
    settings = {name: value for name, value in shown.items() if name.isupper()}
    done = project("django", "check", cqrs=RIGHT, apps=("django_celery_beat", "celery_cqrs"), broker=broker, **settings)
    assert (done.stdout, done.stderr) == (NOTHING, "")
