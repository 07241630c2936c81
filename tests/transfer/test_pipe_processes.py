"""The diff commands as processes that a shell connects: real pipes, that close, and devices that are full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.app.models import Author, AuthorRef
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import ROOT, Service
from tests.transfer.pipes import deliver

CQRS = {
    "queue": "replica",
    "celery_app": "tests.app.celery:app",
    "master": {"replicas": {"replica": "__all__"}, "publish": "relay"},
}
HEADER = "author,2026-01-01 00:00:00+00:00"


@pytest.fixture
def service(database: str) -> Iterator[Service]:
    """A service that is its own master and replica, so that one shell can run both sides."""
    made = Service(database, "memory://", {}, CQRS)
    yield made
    made.close()


def shell(service: Service, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash's, in which ``manage`` is the service's manage.py."""
    whole = f'set -o pipefail; manage() {{ "{sys.executable}" -m django "$@"; }}; {script}'
    environment = {**os.environ, **service.environment}
    return subprocess.run(
        ["bash", "-c", whole], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def authors(count: int) -> None:
    Author.cqrs.bulk_create([Author(pk=number, name="-") for number in range(1, count + 1)])
    deliver()


@on_sqlite
def test_both_pipes_mend_a_replica_between_processes(database: str, service: Service) -> None:
    authors(30)
    AuthorRef.objects.filter(pk__lte=10).delete()
    Author.objects.filter(pk__gt=20)._raw_delete(database)
    stale = shell(service, "manage cqrs_diff_master -cid author | manage cqrs_diff_replica | manage cqrs_diff_sync")
    assert (stale.returncode, stale.stdout) == (0, "Done!\n10 instance(s) synced.\n10 instance(s) processed.\n")
    deleted = shell(
        service,
        "manage cqrs_deleted_diff_replica -cid author | manage cqrs_deleted_diff_master "
        "| manage cqrs_deleted_sync_replica",
    )
    assert (deleted.returncode, deleted.stdout) == (0, "Done!\n10 instance(s) deleted.\n")
    deliver()
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == set(range(1, 21))


@on_sqlite
def test_a_reader_that_has_seen_enough_ends_the_pipe_in_peace(database: str, service: Service) -> None:
    authors(2_000)
    done = shell(service, "manage cqrs_diff_master -cid author -b 1 | head -2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["[[1,0]]"]


@on_sqlite
def test_a_full_disk_is_told_in_one_sentence(database: str, service: Service) -> None:
    authors(1)
    done = shell(service, "manage cqrs_diff_master -cid author > /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: Standard output cannot be written: No space left on device. ")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@on_sqlite
def test_a_first_command_that_fails_is_told_by_the_others_too(database: str, service: Service) -> None:
    done = shell(service, "manage cqrs_diff_master -cid nobody | manage cqrs_diff_replica | manage cqrs_diff_sync")
    assert done.returncode == 1 and done.stdout == ""
    assert "CommandError: Wrong CQRS ID: nobody!" in done.stderr
    assert done.stderr.count("Line 1 of the input is refused: there is none.") == 2


def start(service: Service, command: str) -> subprocess.Popen[str]:
    """Start a command of ours, whose pipes are this process's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "django", command],
        cwd=ROOT,
        env={**os.environ, **service.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    service.started.append(process)
    return process


def give(process: subprocess.Popen[str], text: str) -> None:
    """Write to a process at once."""
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


@on_sqlite
def test_a_list_is_answered_before_the_next_one_comes(database: str, service: Service) -> None:
    process = start(service, "cqrs_diff_replica")
    assert process.stdout is not None
    for given, answer in ((HEADER, f"{HEADER},replica"), ("[[1,0]]", "[1]"), ("[[2,0],[3,0]]", "[2,3]")):
        give(process, f"{given}\n")
        assert process.stdout.readline() == f"{answer}\n"
    process.communicate(timeout=60)
    assert process.returncode == 0


@on_sqlite
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(database: str, service: Service) -> None:
    process = start(service, "cqrs_deleted_sync_replica")
    give(process, f'{HEADER}\n["x", 1]\n')
    assert process.stderr is not None
    assert process.stderr.readline() == "No PK of this model: ['x']\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "CommandError: Stopped. What was deleted so far stays so." in errors
