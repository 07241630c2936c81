"""A worker that would connect anew for every batch says so when it starts; ``manage.py check`` does not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from celery_cqrs import checks

SERVERS = ["postgres", "mariadb"]


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Changes the settings of both servers."""

    def change(**settings: Any) -> None:
        for alias in SERVERS:
            for name, value in settings.items():
                monkeypatch.setitem(connections[alias].settings_dict, name, value)

    return change


def ids() -> list[str]:
    """What is found, with the alias that it names."""
    found = list(checks.check_connections())
    return [f"{problem.id} {alias}" for problem in found for alias in connections if f'"{alias}"' in problem.msg]


def test_connections_that_end_with_each_task_are_told_of(databases: Any) -> None:
    databases(CONN_MAX_AGE=0)
    assert ids() == ["celery_cqrs.W028 postgres", "celery_cqrs.W028 mariadb"]
    assert '"CONN_MAX_AGE": 60' in (next(iter(checks.check_connections())).hint or "")


@pytest.mark.parametrize(
    "settings", [{"CONN_MAX_AGE": 60}, {"CONN_MAX_AGE": None}, {"OPTIONS": {"pool": True}}], ids=str
)
def test_connections_that_live_on_are_not_talked_about(databases: Any, settings: dict[str, Any]) -> None:
    databases(**settings)
    assert ids() == []


def test_web_processes_are_not_asked(databases: Any) -> None:
    databases(CONN_MAX_AGE=0)
    assert "celery_cqrs.W028" not in [problem.id for problem in checks.check_configuration()]
