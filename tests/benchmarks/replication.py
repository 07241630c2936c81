"""The limit of a chain: PostgreSQL's own logical replication, between two databases of a server of the benchmark's own.

It maps nothing, calls no hook, guards nothing and leaves the server for no broker.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.capture import ACCOUNTS, CHUNK_ROWS
from tests.benchmarks.turns import Sample
from tests.benchmarks.watch import look
from tests.harness.servers import OwnServer, Process

DEBIAN = Path("/usr/lib/postgresql")
PEOPLE = ("postgres", "nobody")
"""PostgreSQL does not run as root; then it runs as one of these."""
SECONDS = 60
COLUMNS = """
    id bigint PRIMARY KEY, number varchar(22), owner varchar(100), email varchar(254), currency varchar(3),
    balance numeric(14, 2), active boolean, opened_at timestamptz, cqrs_revision integer, cqrs_updated timestamptz
"""
Pair = tuple[Any, Any]
"""Connections to the database that is written and to its copy."""


class OwnPostgres(OwnServer):
    """A server with ``wal_level`` logical, its files in ``folder``."""

    program = "postgres"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.url = f"postgres://postgres@127.0.0.1:{self.port}"
        options = {"port": self.port, "wal_level": "logical", "listen_addresses": "127.0.0.1"}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        argv = [*_as_somebody(folder), binary("postgres"), "-D", str(self.data), *flags, "-k", str(folder)]
        self._main = Process(argv, folder / "postgres.log")
        init = [*_as_somebody(folder), binary("initdb"), "-A", "trust", "-U", "postgres", "-D", str(self.data)]
        subprocess.run(init, check=True, capture_output=True, cwd=folder)

    @property
    def main(self) -> Process:
        return self._main

    def answers(self) -> bool:
        """Whether it takes connections already."""
        with suppress(psycopg.Error):
            psycopg.connect(f"{self.url}/postgres").close()
            return True
        return False


def binary(name: str) -> str:
    """A program of PostgreSQL's server, of the newest version. Raises FileNotFoundError."""
    here = [str(path) for path in sorted(DEBIAN.glob(f"*/bin/{name}"))]
    found = shutil.which(name) or (here[-1] if here else None)
    if found is None:
        raise FileNotFoundError(f"{name}, a part of PostgreSQL's server, is not installed here")
    return found


@cache
def _as_somebody(folder: Path) -> tuple[str, ...]:
    if getpass.getuser() != "root":
        return ()
    somebody = next(name for name in PEOPLE if subprocess.run(["id", name], capture_output=True).returncode == 0)
    shutil.chown(folder, somebody)
    folder.parent.chmod(0o755)
    return ("runuser", "-u", somebody, "--")


@contextmanager
def replicated() -> Iterator[Pair]:
    """Connections to both databases, in autocommit, the table ``account`` in each."""
    scratch = Path(tempfile.mkdtemp(prefix="cqrs-replication-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        server = stack.enter_context(OwnPostgres(scratch / "server"))
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
            for name in ("written", "copied"):
                connection.execute(f"CREATE DATABASE {name}")
        written, copied = (
            stack.enter_context(closing(psycopg.connect(f"{server.url}/{name}", autocommit=True)))
            for name in ("written", "copied")
        )
        for connection in (written, copied):
            connection.execute(f"CREATE TABLE account ({COLUMNS})")
        written.execute("CREATE PUBLICATION accounts FOR TABLE account")
        written.execute("SELECT pg_create_logical_replication_slot('accounts', 'pgoutput')")
        options = "create_slot = false, slot_name = 'accounts', copy_data = false"
        source = f"host=127.0.0.1 port={server.port} user=postgres dbname=written"
        copied.execute(f"CREATE SUBSCRIPTION accounts CONNECTION '{source}' PUBLICATION accounts WITH ({options})")
        write_one(written, copied, -1)
        yield written, copied


def bulk_rate(rows: int) -> Sample:
    """Rows per second, from the first of INSERTs of 10,000 rows until the last row is visible."""
    with replicated() as (written, copied):
        start = time.monotonic()
        for first in range(1, rows + 1, CHUNK_ROWS):
            written.execute(ACCOUNTS, [first, min(first + CHUNK_ROWS - 1, rows)])
        look(lambda: _is_there(copied, rows), SECONDS, f"row {rows}")
        return Sample(rows / (time.monotonic() - start))


def single_waits_ms(rows: int) -> list[float]:
    """Milliseconds from commit to visible of single rows, one after the other."""
    with replicated() as (written, copied):
        return [write_one(written, copied, key) for key in range(1, rows + 1)]


def write_one(written: Any, copied: Any, key: int) -> float:
    """Commit a row; returns the milliseconds until it is visible in the copy, which is asked without a pause."""
    written.execute("INSERT INTO account (id) VALUES (%s)", [key])
    start = time.perf_counter()
    deadline = start + SECONDS
    while not _is_there(copied, key):
        if time.perf_counter() > deadline:
            raise TimeoutError(f"logical replication did not carry row {key} in {SECONDS} s")
    return (time.perf_counter() - start) * 1_000


def _is_there(copied: Any, key: int) -> bool:
    return bool(copied.execute("SELECT EXISTS (SELECT FROM account WHERE id = %s)", [key]).fetchone()[0])
