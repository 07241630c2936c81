"""The exit code of ``cqrs_status``: 1 beyond a threshold, 2 when a database cannot be read (test_processes.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs.models import Letter, Tick
from tests.conftest import on_sqlite
from tests.operate.conftest import run
from tests.outbox.conftest import put


def tick(name: str, seconds: float) -> None:
    """Beat's task ran so long ago."""
    Tick.objects.create(name=name, at=timezone.now() - timedelta(seconds=seconds))


@on_sqlite
@pytest.mark.parametrize(("limit", "code"), [(2, 1), (3, 0), (4, 0)])
def test_more_rows_than_allowed_for_one_queue(uncommitted: str, limit: int, code: int) -> None:
    put(1, queue="mail")
    put(2, queue="mail", cqrs_id="product")
    put(3, queue="mail", sent_at=timezone.now())
    put(4, queue="shop")
    ran = run("cqrs_status", "--max-rows", str(limit))
    assert (ran.code, ran.error) == (code, f"3 rows wait for one queue, more than {limit}" if code else "")


@on_sqlite
@pytest.mark.parametrize(("limit", "code"), [(300, 1), (400, 1), (900, 0), (10_000, 0)])
def test_an_older_change_than_allowed(uncommitted: str, limit: int, code: int) -> None:
    put(1, seconds=-10)
    put(2, seconds=-500, sent_at=timezone.now())
    ran = run("cqrs_status", "--max-lag", str(limit))
    assert ran.code == code and (f"seconds since the oldest change, more than {limit}" in ran.error) == bool(code)


@on_sqlite
@pytest.mark.parametrize(("limit", "code"), [(0, 1), (1, 1), (2, 0), (3, 0)])
def test_more_dead_letters_than_allowed(uncommitted: str, limit: int, code: int) -> None:
    for pk, state in enumerate(("dead", "dead", "retrying")):
        Letter.objects.create(queue="replica", cqrs_id="author", pk_text=str(pk), payload={}, reason="", state=state)
    ran = run("cqrs_status", "--max-dead", str(limit))
    assert (ran.code, ran.error) == (code, f"2 dead letters, more than {limit}" if code else "")


@on_sqlite
@pytest.mark.parametrize(("limit", "code"), [(300, 1), (900, 0)])
@pytest.mark.parametrize("silent", ["drain", "retry"])
def test_a_beat_that_is_silent_for_longer_than_allowed(uncommitted: str, silent: str, limit: int, code: int) -> None:
    for name in ("drain", "retry"):
        tick(name, 500 if name == silent else 1)
    ran = run("cqrs_status", "--max-silence", str(limit))
    assert ran.code == code and (f"seconds since beat's last sweep, more than {limit}" in ran.error) == bool(code)


@on_sqlite
def test_a_beat_that_has_never_run_is_silent_for_ever(uncommitted: str) -> None:
    assert run("cqrs_status", "--max-silence", "1000000").code == 1


@on_sqlite
def test_a_replica_has_no_drain_to_be_silent(uncommitted: str, configure: Callable[..., None]) -> None:
    configure(master={"replicas": {}})
    tick("retry", 1)
    assert run("cqrs_status", "--max-silence", "300").code == 0


@on_sqlite
def test_without_thresholds_nothing_is_too_much(uncommitted: str) -> None:
    put(1, seconds=-1_000_000)
    assert run("cqrs_status").code == 0


@on_sqlite
def test_every_threshold_that_is_passed_is_told_also_in_the_document(uncommitted: str) -> None:
    put(1, seconds=-1_000_000)
    ran = run("cqrs_status", "--json", "--max-rows", "0", "--max-lag", "5", "--max-dead", "0")
    assert len(ran.error.splitlines()) == 2 and ran.code == 1
    assert json.loads(ran.output)["problems"] == ran.error.splitlines()


@pytest.mark.parametrize(
    "flags", [("--max-rows", "x"), ("--max-lag", "nan"), ("--timeout", "-1"), ("--max-dead", "1.5")]
)
def test_a_threshold_that_is_no_number_is_refused(uncommitted: str, flags: tuple[str, ...]) -> None:
    assert flags[0] in run("cqrs_status", *flags).error
