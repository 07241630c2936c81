"""A worker or a relay with a wrong configuration does not start, and says what would mend it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.system import SECONDS, System
from tests.services import POSTGRES

WORKER = ("-m", "celery", "-A", "{service}", "worker", "-P", "solo", "-Q", "nobody", "--without-mingle")
RELAY = ("manage.py", "cqrs_relay")
CASES: dict[str, tuple[str, tuple[str, ...], dict[str, Any], str]] = {
    "no queue": ("shop", WORKER, {"queue": None}, 'CQRS has no "queue"'),
    "roles swapped": ("shop", WORKER, {"master": {"replicas": {"atlas": ["country"]}}}, "The roles are swapped"),
    "an unknown key": ("shop", WORKER, {"replica": {"confirm_second": 1}}, "Did you mean 'confirm_seconds'?"),
    "an unknown id": ("atlas", RELAY, {"master": {"replicas": {"shop": ["countri"]}}}, "Did you mean 'country'?"),
    "a transport key": ("atlas", RELAY, {"url": "amqp://"}, "Remove it: Celery's broker settings replace it"),
}


@pytest.mark.parametrize("what", CASES)
def test_a_wrong_configuration_is_refused_at_the_start_with_a_sentence(system: System, what: str) -> None:
    service, argv, cqrs, sentence = CASES[what]
    system.commands.mark()
    process = system.start_process(service, *(part.format(service=service) for part in argv), **cqrs)
    assert process.wait(SECONDS) not in (0, None)
    assert sentence in system.commands.news()
    assert "Traceback" not in system.commands.news()


def test_a_worker_without_its_tables_is_refused_with_the_command_that_makes_them(system: System) -> None:
    system.commands.mark()
    argv = [part.format(service="shop") for part in WORKER]
    process = system.start_process("shop", *argv, database_url=POSTGRES.url.replace("postgres:", "postgresql:"))
    assert process.wait(SECONDS) not in (0, None)
    assert "Run: manage.py migrate --database default" in system.commands.news()
