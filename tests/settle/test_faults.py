"""Which errors are the database's own trouble and which are the row's: by number, and from real errors."""

from __future__ import annotations

import sqlite3
import threading

import psycopg
import pymysql
import pytest
from django.db import ConnectionHandler, DatabaseError, InterfaceError, OperationalError, connections, transaction

from celery_cqrs.database import faults
from celery_cqrs.database.faults import is_infrastructure
from tests.app.models import AuthorRef, Shelf
from tests.apply.race import Worker, execute, third_connection
from tests.receive.wire import author, deliver


def caused_by(cause, kind=OperationalError):
    """As Django raises it: its own class, from the driver's."""
    error = kind(*cause.args)
    error.__cause__ = cause
    return error


def postgresql(sqlstate):
    return caused_by(psycopg.errors.lookup(sqlstate)("it says"))


def mysql(number):
    return caused_by(pymysql.err.OperationalError(number, "it says"))


def sqlite_error(name):
    cause = sqlite3.OperationalError("it says")
    cause.sqlite_errorname = name
    return caused_by(cause)


@pytest.mark.parametrize("sqlstate", ["08000", "08003", "08006", *(code for code in faults.POSTGRESQL if code != "08")])
def test_postgresql_was_away_or_not_free(sqlstate):
    assert is_infrastructure(postgresql(sqlstate))


@pytest.mark.parametrize("sqlstate", "57014 54000 53200 23505 23503 23502 22001 22003 22021 42601 P0001".split())
def test_postgresql_refused_the_row(sqlstate):
    assert not is_infrastructure(postgresql(sqlstate))


@pytest.mark.parametrize("number", faults.MYSQL)
def test_mariadb_was_away_or_not_free(number):
    assert is_infrastructure(mysql(number))


@pytest.mark.parametrize("number", [1062, 1452, 1451, 1406, 1264, 1366, 1048, 1969, 1146, 1064, 1041, 3024, 1317])
def test_mariadb_refused_the_row(number):
    assert not is_infrastructure(mysql(number))


@pytest.mark.parametrize("name", [*faults.SQLITE, "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED_SHAREDCACHE"])
def test_sqlite_was_not_free(name):
    assert is_infrastructure(sqlite_error(name))


@pytest.mark.parametrize("name", ["SQLITE_NOMEM", "SQLITE_ERROR", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_TOOBIG"])
def test_sqlite_refused_the_row(name):
    assert not is_infrastructure(sqlite_error(name))


@pytest.mark.parametrize(
    "error", [InterfaceError("connection already closed"), InterfaceError("cursor already closed")]
)
def test_a_closed_connection_is_the_databases_trouble(error):
    assert is_infrastructure(error)


@pytest.mark.parametrize(
    "error", [ValueError(2006), RuntimeError("lost"), KeyError(1213), OSError(2006, "no such"), Exception()]
)
def test_the_errors_of_others_are_not_the_databases_trouble(error):
    assert not is_infrastructure(error)


def test_a_hooks_error_that_came_from_a_lost_database_is_the_databases_trouble():
    error = RuntimeError("could not")
    error.__cause__ = postgresql("08006")
    assert is_infrastructure(error)


def test_a_circle_of_causes_has_an_end():
    one, other = RuntimeError(1), RuntimeError(2)
    one.__cause__, other.__cause__ = other, one
    assert not is_infrastructure(one)


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_refused_connection_is_the_databases_trouble(engine):
    nowhere = {
        "ENGINE": f"django.db.backends.{engine}",
        "HOST": "127.0.0.1",
        "PORT": 1,
        "NAME": "none",
        "USER": "nobody",
    }
    with pytest.raises(OperationalError) as caught:
        ConnectionHandler({"default": nowhere})["default"].ensure_connection()
    assert is_infrastructure(caught.value)


def test_a_row_that_is_locked_is_the_databases_trouble(server):
    deliver(author(1))
    with third_connection(server) as third, transaction.atomic(using=server):
        execute(third, "SELECT id FROM app_authorref FOR UPDATE")
        with pytest.raises(OperationalError) as caught:
            AuthorRef.objects.select_for_update(nowait=True).get()
    assert is_infrastructure(caught.value)


def test_a_deadlock_is_the_databases_trouble(server):
    deliver(author(1), author(2))

    def lock(first, second):
        with transaction.atomic(using=server):
            AuthorRef.objects.select_for_update().get(pk=first)
            held[first].set()
            held[second].wait(20)
            AuthorRef.objects.select_for_update().get(pk=second)

    held = {1: threading.Event(), 2: threading.Event()}
    workers = [Worker(lambda: lock(1, 2)), Worker(lambda: lock(2, 1))]
    for worker in workers:
        worker.join(30)
    (error,) = [worker.error for worker in workers if worker.error]
    assert isinstance(error, OperationalError)
    assert is_infrastructure(error)


def test_a_session_that_was_ended_is_the_databases_trouble(server):
    with third_connection(server) as third:
        execute(third, "SELECT 1")
        end = "SELECT pg_terminate_backend({})" if third.vendor == "postgresql" else "KILL {}"
        number = third.connection.info.backend_pid if third.vendor == "postgresql" else third.connection.thread_id()
        execute(connections[server], end.format(number))
        with pytest.raises((OperationalError, InterfaceError)) as caught:
            execute(third, "SELECT 1")
        third.close()
    assert is_infrastructure(caught.value)


def test_a_statement_that_took_too_long_is_the_rows_trouble(server):
    rows = "seq_1_to_9999"
    slow = {
        "postgresql": ["SET LOCAL statement_timeout = 5", "SELECT count(*) FROM generate_series(1, 100000000)"],
        "mysql": [f"SET STATEMENT max_statement_time = 0.005 FOR SELECT sum(a.seq * b.seq) FROM {rows} a, {rows} b"],
    }[connections[server].vendor]
    with transaction.atomic(using=server):
        *before, last = slow
        for statement in before:
            execute(connections[server], statement)
        with pytest.raises(DatabaseError) as caught:
            execute(connections[server], last)
        transaction.set_rollback(True, using=server)
    assert not is_infrastructure(caught.value)


def test_a_second_row_of_one_key_is_the_rows_trouble(database):
    shelf = Shelf.objects.create(label="a")
    with pytest.raises(DatabaseError) as caught:
        Shelf(id=shelf.pk, label="b").save(force_insert=True)
    assert not is_infrastructure(caught.value)


def test_a_locked_sqlite_file_is_the_databases_trouble(sqlite):
    with third_connection("default") as third:
        execute(third, "DELETE FROM celery_cqrs_lock")
        execute(connections["default"], "PRAGMA busy_timeout = 0")
        with pytest.raises(OperationalError) as caught:
            execute(connections["default"], "DELETE FROM celery_cqrs_lock")
    connections["default"].close()
    assert is_infrastructure(caught.value)
