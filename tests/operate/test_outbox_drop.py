"""``cqrs_outbox drop``: changes that somebody gives up, after a question, and with a record of it."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from celery_cqrs import signals
from celery_cqrs.master import choice
from celery_cqrs.models import Outbox
from tests.conftest import on_sqlite, with_row_locks
from tests.harness.claims import claim
from tests.operate.conftest import aside, run
from tests.outbox.conftest import put
from tests.publisher.conftest import on_sqlite as committed_on_sqlite
from tests.publisher.processes import Service

Elsewhere = Callable[..., Future[Any]]
Told = list[tuple[int, str]]


def left() -> list[str]:
    """The keys of what is left."""
    return list(Outbox.objects.order_by("id").values_list("pk_text", flat=True))


def test_only_the_chosen_rows_go_and_the_number_is_told(uncommitted: str, dropped: Told) -> None:
    put(1, queue="gone")
    put(2, queue="gone", sent_at=timezone.now())
    aside(3, queue="gone")
    put(4)
    assert run("cqrs_outbox", "drop", "--queue", "gone", "--yes").output == "3 rows dropped\n"
    assert left() == ["4"] and dropped == [(3, uncommitted)]


@on_sqlite
def test_all_go_when_that_is_said(uncommitted: str) -> None:
    put(1)
    put(2)
    assert run("cqrs_outbox", "drop", "--all", "--yes").output == "2 rows dropped\n"
    assert left() == []


@on_sqlite
def test_nothing_to_drop_is_no_error_and_no_event(uncommitted: str, dropped: Told) -> None:
    assert run("cqrs_outbox", "drop", "--all", "--yes").output == "0 rows dropped\n"
    assert dropped == []


def test_the_limit_takes_the_oldest(uncommitted: str) -> None:
    for pk in range(4):
        put(pk)
    assert run("cqrs_outbox", "drop", "--all", "--yes", "--limit", "3").output == "3 rows dropped\n"
    assert left() == ["3"]


@on_sqlite
def test_more_rows_than_a_portion_are_all_dropped_and_told_once(uncommitted: str, dropped: Told) -> None:
    row = put()
    Outbox.objects.bulk_create([Outbox(**{**Outbox.objects.values().get(), "id": None}) for _ in range(2_344)])
    assert row.pk and run("cqrs_outbox", "drop", "--pk", "1", "--yes").output == "2345 rows dropped\n"
    assert dropped == [(2_345, "default")] and left() == []


@on_sqlite
def test_rows_captured_after_the_start_are_not_dropped(uncommitted: str) -> None:
    put(1)

    def and_capture(count: int, **_: Any) -> None:
        put(2)

    signals.dropped.connect(and_capture)
    try:
        run("cqrs_outbox", "drop", "--all", "--yes")
    finally:
        signals.dropped.disconnect(and_capture)
    assert left() == ["2"]


@with_row_locks
def test_rows_that_a_publisher_holds_are_left_and_told(database: str, elsewhere: Elsewhere) -> None:
    put(1, seconds=-9)
    put(2)
    with transaction.atomic(using=database):
        claim(database, 1)
        done = elsewhere(drop_all, database).result(timeout=30)
    assert done == choice.Done(changed=1, left=1, rows=2) and left() == ["1"]


def drop_all(using: str) -> choice.Done:
    return choice.drop_rows(using, choice.Choice().on(using))


@on_sqlite
def test_a_drop_is_on_record(uncommitted: str, caplog: pytest.LogCaptureFixture) -> None:
    put()
    run("cqrs_outbox", "drop", "--all", "--yes")
    record = next(one for one in caplog.records if one.levelname == "WARNING")
    assert record.getMessage() == "dropped 1 changes of default by hand"


@committed_on_sqlite
@pytest.mark.parametrize(
    ("answer", "count", "said"),
    [("yes", 0, "2 rows dropped"), ("no", 2, "nothing dropped"), ("", 2, "nothing dropped"), ("y", 2, "nothing")],
)
def test_a_person_at_a_terminal_is_asked_with_the_number(database: str, answer: str, count: int, said: str) -> None:
    put(1)
    put(2)
    output = at_terminal(database, f"{answer}\n", "drop", "--all")
    assert "Delete 2 changes that their replicas have not confirmed? They will never arrive. [yes/no]" in output
    assert said in output and Outbox.objects.count() == count


@committed_on_sqlite
def test_the_end_of_the_input_is_a_no(database: str) -> None:
    put()
    assert "nothing dropped" in at_terminal(database, "\x04", "drop", "--all", "--limit", "1")
    assert Outbox.objects.exists()


def at_terminal(database: str, keys: str, *arguments: str) -> str:
    """What ``cqrs_outbox`` shows at a terminal where somebody presses these keys."""
    service = Service(database, "memory://", {}, {"queue": "atlas", "celery_app": "tests.app.celery:app"})
    ours, theirs = pty.openpty()
    process = Popen(
        [sys.executable, "-m", "django", "cqrs_outbox", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **service.environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, keys.encode())
    shown = b"".join(iter(lambda: read(ours), b""))
    assert process.wait(30) == 0
    os.close(ours)
    return " ".join(shown.decode().split())


def read(terminal: int) -> bytes:
    """What the terminal shows next; nothing when the process has ended."""
    try:
        return os.read(terminal, 1_024)
    except OSError:
        return b""
