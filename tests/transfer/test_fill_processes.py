"""Dump, load and sync as processes: killed and gone on with, stopped by Ctrl-C, and connected by pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from celery_cqrs.models import Outbox
from celery_cqrs.positions import Position
from tests.app.models import Author, AuthorRef
from tests.harness.waiting import wait_until
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import ROOT, Service
from tests.transfer.dumps import make_authors, write_authors
from tests.transfer.test_pipe_processes import CQRS, shell

ROWS = 400


@pytest.fixture
def service(database: str) -> Iterator[Service]:
    """A service that is its own master and replica."""
    made = Service(database, "memory://", {}, CQRS)
    yield made
    made.close()


@contextmanager
def running(service: Service, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours with a pipe to it, killed when the block ends."""
    environment = {**os.environ, **service.environment}
    pipe = subprocess.PIPE
    argv = [sys.executable, "-m", "django", *arguments]
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@on_sqlite
def test_a_load_that_is_killed_goes_on_where_it_was(database: str, service: Service, tmp_path) -> None:
    text = write_authors(tmp_path / "author.dump", ROWS).read_text()
    with running(service, "cqrs_bulk_load", "-i", "-", "--batch", "100") as process:
        process.stdin.write(text[: text.index('{"id":251,')])
        process.stdin.flush()
        wait_until(lambda: AuthorRef.objects.count() == 200, what="two batches", seconds=30)
    assert process.returncode == -signal.SIGKILL
    assert (Position.objects.get().place, AuthorRef.objects.count()) == ("201", 200)
    done = shell(service, f"cat {tmp_path / 'author.dump'} | manage cqrs_bulk_load -i - --resume")
    assert (done.returncode, done.stderr) == (0, "Done!\n200 instance(s) loaded.\n")
    assert AuthorRef.objects.count() == ROWS and not Position.objects.exists()


@on_sqlite
def test_a_load_anew_that_is_killed_leaves_the_old_rows(database: str, service: Service, tmp_path) -> None:
    AuthorRef.objects.create(pk=9_999, name="old", cqrs_revision=9, cqrs_updated="2026-01-01T00:00Z")
    with running(
        service, "cqrs_bulk_load", "-i", "-", "--clear", "--rejects", str(tmp_path / "rejects"), "--batch", "100"
    ) as process:
        text = write_authors(tmp_path / "author.dump", ROWS).read_text()
        process.stdin.write(text.replace("author\n", "author\n{bad\n"))
        process.stdin.flush()  # and not closed: it waits for more, with rows in its hands
        assert process.stderr.readline() == "Dump file can't be parsed: line 2!\n"
    assert [one.name for one in AuthorRef.objects.all()] == ["old"]


def captured_keys() -> list[str]:
    """The keys in rows of the outbox and in bundles."""
    return [key for row in Outbox.objects.all() for key in (row.keys or [row.pk_text])]


@on_sqlite
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "CommandError: Stopped. What was captured is sent; add --resume to go on behind it.\n"),
    ],
)
def test_a_sync_that_is_stopped_goes_on_where_it_was(database: str, service: Service, number, code, told) -> None:
    make_authors(ROWS)
    slowly = ("--at-once", "--rate", "100")  # a page a second
    with running(service, "cqrs_sync", "-cid", "author", "-f={}", *slowly) as process:
        wait_until(Outbox.objects.exists, what="the first page", seconds=30)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (code, told)
    first = len(captured_keys())
    assert 0 < first < ROWS
    done = shell(service, "manage cqrs_sync -cid author -f={} --at-once --resume")
    assert done.stdout == f"Done!\n{ROWS - first} instance(s) synced.\n{ROWS - first} instance(s) processed.\n"
    keys = captured_keys()
    assert len(keys) == len(set(keys)) == ROWS


@on_sqlite
def test_a_dump_goes_through_a_pipe_into_a_load(database: str, service: Service) -> None:
    make_authors(ROWS)
    done = shell(service, "manage cqrs_bulk_dump -c author -o - 2> /dev/null | manage cqrs_bulk_load -i -")
    assert (done.returncode, done.stderr) == (0, f"Done!\n{ROWS} instance(s) loaded.\n")
    assert AuthorRef.objects.count() == Author.objects.count() == ROWS


@on_sqlite
def test_a_dump_whose_reader_goes_away_is_not_whole_and_says_so(database: str, service: Service) -> None:
    make_authors(3_000)
    done = shell(service, "manage cqrs_bulk_dump -c author -b 100 -o - | head -1; exit ${PIPESTATUS[0]}")
    assert (done.stdout, done.returncode) == ("author\n", 1)
    assert done.stderr == "CommandError: Who read the dump has closed it before its end.\n"


@on_sqlite
def test_a_load_reads_what_another_process_writes_for_it(database: str, service: Service, tmp_path) -> None:
    write_authors(tmp_path / "author.dump", ROWS)
    done = shell(service, f"manage cqrs_bulk_load -i <(cat {tmp_path / 'author.dump'})")
    assert (done.returncode, done.stderr) == (0, f"Done!\n{ROWS} instance(s) loaded.\n")
