"""Each code of the table, raised by a real server in the middle of a batch: nobody is blamed and nothing is confirmed.

In an open transaction, as here, nobody waits for the database; that a worker does is shown in test_infrastructure.py.
"""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from celery_cqrs.database import faults
from celery_cqrs.database.faults import is_infrastructure
from celery_cqrs.models import Attempt, Letter
from celery_cqrs.outcome import Applied, Retry
from tests.app.models import AuthorRef
from tests.apply.race import Worker, execute, third_connection, until_waiting
from tests.conftest import each_database, on_database
from tests.receive.wire import author, confirmed, deliver, message
from tests.settings import RUN
from tests.settle.replicas import Failing

SQLITE, POSTGRESQL, MARIADB = each_database(commits=False)
FULL = 1
on_postgresql = pytest.mark.parametrize(
    "server", [pytest.param("postgres", marks=on_database("postgres"))], indirect=True
)
CLIENT_NUMBERS = range(2_000, 3_000)


def on(database):
    return pytest.mark.parametrize("uncommitted", [database], indirect=True)


def raising(code):
    """The statement with which a server raises ``code``."""
    if isinstance(code, int):
        return f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'it says'"
    return f"DO $$ BEGIN RAISE EXCEPTION 'it says' USING ERRCODE = '{code}'; END $$"


def assert_nobody_is_blamed(*statements):
    """A batch whose hook meets these statements ends with the fault, and as if it had never come."""
    deliver(author(1))
    Failing.statements = list(statements)
    with pytest.raises((DatabaseError, InterfaceError)) as caught:
        deliver(author(1, 1), message("failing", 2, name="n"), author(3, 1))
    assert is_infrastructure(caught.value)
    assert not Letter.objects.exists()
    assert not Attempt.objects.exists()
    assert not AuthorRef.objects.filter(pk=2).exists()
    assert 200 not in confirmed()


def assert_the_row_is_blamed(*statements):
    """A batch whose hook meets these statements is settled: a letter for the row, its neighbour applied."""
    Failing.statements = list(statements)
    endings = deliver(message("failing", 2, name="n"), author(3))
    assert {type(ending) for ending in endings} == {Retry, Applied}
    assert (Letter.objects.get().attempts, Letter.objects.get().pk_text) == (1, "2")
    assert confirmed() == [200, 300]


@on(POSTGRESQL)
@pytest.mark.parametrize("code", ["08006", *(code for code in faults.POSTGRESQL if code != "08")])
def test_postgresql_blames_nobody(uncommitted, code):
    assert_nobody_is_blamed(raising(code))


@on(POSTGRESQL)
@pytest.mark.parametrize("code", ["57014", "53200", "54000", "25P02", "P0001"])
def test_postgresql_blames_the_row(uncommitted, code):
    assert_the_row_is_blamed(raising(code))


@on(MARIADB)
@pytest.mark.parametrize("code", [code for code in faults.MYSQL if code not in CLIENT_NUMBERS])
def test_mariadb_blames_nobody(uncommitted, code):
    assert_nobody_is_blamed(raising(code))


@on(MARIADB)
@pytest.mark.parametrize("code", [1041, 1317, 1969, 3024])
def test_mariadb_blames_the_row(uncommitted, code):
    assert_the_row_is_blamed(raising(code))


# ── the same by what really happens ────────────────────────────────────────────────────────────────────────────────
@on(POSTGRESQL)
def test_a_server_that_became_read_only_blames_nobody_on_postgresql(uncommitted):
    assert_nobody_is_blamed("SET TRANSACTION READ ONLY", "INSERT INTO celery_cqrs_lock VALUES ('x')")


@on(POSTGRESQL)
def test_a_statement_that_took_too_long_blames_the_row_on_postgresql(uncommitted):
    assert_the_row_is_blamed("SET LOCAL statement_timeout = 5", "SELECT pg_sleep(60)")


@on(MARIADB)
def test_a_statement_that_took_too_long_blames_the_row_on_mariadb(uncommitted):
    rows = "seq_1_to_9999"
    assert_the_row_is_blamed(
        f"SET STATEMENT max_statement_time = 0.005 FOR SELECT sum(a.seq * b.seq) FROM {rows} a, {rows} b"
    )


@contextmanager
def sqlite_set_to(pragma: str, value: Any):
    """SQLite so limited that its next write fails, and as before afterwards."""
    with connections["default"].cursor() as cursor:
        before = cursor.execute(f"PRAGMA {pragma}").fetchone()[0]
        cursor.execute(f"PRAGMA {pragma} = {value}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA {pragma} = {before}")


@on(SQLITE)
def test_a_file_that_may_not_be_written_is_the_databases_trouble(uncommitted):
    with sqlite_set_to("query_only", 1), pytest.raises(OperationalError) as caught:
        execute(connections["default"], "DELETE FROM celery_cqrs_lock WHERE cqrs_id = ''")
    assert is_infrastructure(caught.value)


@on(SQLITE)
def test_a_full_disk_is_the_databases_trouble(uncommitted):
    with sqlite_set_to("max_page_count", FULL), pytest.raises(DatabaseError) as caught:  # no more than it has
        execute(connections["default"], f"CREATE TABLE big AS SELECT zeroblob({10**8}) AS blob")
    assert is_infrastructure(caught.value)


@pytest.mark.django_db
def test_a_folder_that_is_not_there_is_the_databases_trouble(tmp_path):
    connection = connections["default"].copy()
    connection.settings_dict = {**connection.settings_dict, "NAME": str(tmp_path / "gone" / "db.sqlite3")}
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert is_infrastructure(caught.value)


@on_postgresql
def test_a_serialization_failure_is_the_databases_trouble(server):
    deliver(author(1))
    with third_connection(server) as third:
        execute(third, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        execute(third, "SELECT count(*) FROM app_authorref")
        AuthorRef.objects.update(name="newer")
        with pytest.raises(OperationalError) as caught:
            execute(third, "UPDATE app_authorref SET name = 'mine'")
    assert caught.value.__cause__.sqlstate == "40001"
    assert is_infrastructure(caught.value)


SHORT_PATIENCE = {"postgresql": "SET lock_timeout = 60", "mysql": "SET SESSION innodb_lock_wait_timeout = 1"}


def test_a_lock_that_is_waited_for_in_vain_is_the_databases_trouble(server):
    deliver(author(1))

    def impatient():
        execute(connections[server], SHORT_PATIENCE[connections[server].vendor])
        with transaction.atomic(using=server):
            AuthorRef.objects.update(name="mine")

    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref FOR UPDATE")
        worker = Worker(impatient)
        until_waiting(server, 1, worker)
        worker.join(60)
    assert isinstance(worker.error, OperationalError)
    assert is_infrastructure(worker.error)


@on_postgresql
def test_a_server_without_a_free_place_is_the_databases_trouble(server):
    role = f"cqrs_{RUN}"
    execute(connections[server], f"DROP ROLE IF EXISTS {role}")
    execute(connections[server], f"CREATE ROLE {role} LOGIN PASSWORD '{role}' CONNECTION LIMIT 0")
    try:
        connection = connections[server].copy()
        connection.settings_dict = {**connection.settings_dict, "USER": role, "PASSWORD": role}
        with pytest.raises(OperationalError, match="too many connections") as caught:
            connection.ensure_connection()
    finally:
        execute(connections[server], f"DROP ROLE {role}")
    assert is_infrastructure(caught.value)


class StartingServer(socketserver.BaseRequestHandler):
    """Answers every login as PostgreSQL does while it starts."""

    def handle(self):
        """No encryption; then the error of the protocol."""
        while int.from_bytes(self.request.recv(1_024)[4:8], "big") in (80877103, 80877104):
            self.request.sendall(b"N")
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        self.request.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def test_a_server_that_is_starting_is_the_databases_trouble():
    with socketserver.TCPServer(("127.0.0.1", 0), StartingServer) as starting:
        threading.Thread(target=starting.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        with pytest.raises(psycopg.OperationalError, match="starting up") as caught:
            psycopg.connect(host="127.0.0.1", port=starting.server_address[1], user="x", connect_timeout=20)
        starting.shutdown()
    assert is_infrastructure(caught.value)


def test_a_connection_that_was_closed_underneath_is_the_databases_trouble(server):
    with third_connection(server) as third:
        execute(third, "SELECT 1")
        third.connection.close()
        with pytest.raises((InterfaceError, OperationalError)) as caught:
            execute(third, "SELECT 1")
        third.connection = None
    assert is_infrastructure(caught.value)
