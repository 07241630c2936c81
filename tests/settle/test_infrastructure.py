"""The database is not free or goes away in the middle: the worker waits, blames no message, and goes on."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connections
from django.db.backends.signals import connection_created

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Retry
from tests.app.models import AuthorRef
from tests.apply.race import (
    STOP_SAVING,
    execute,
    make_rows_to_stop_at,
    receiving,
    third_connection,
    until,
    until_waiting,
    waiting_sessions,
)
from tests.receive.wire import author, confirmed, deliver, message
from tests.settle.replicas import Failing

SHORT_PATIENCE = {"postgresql": "SET lock_timeout = 60", "mysql": "SET SESSION innodb_lock_wait_timeout = 1"}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


def assert_all_went_well(worker, *pks):
    """Everything was applied and confirmed, and no message was blamed."""
    assert worker.finish() == [Applied()] * len(pks)
    assert set(pks) <= set(AuthorRef.objects.values_list("pk", flat=True))
    assert not Letter.objects.exists()
    assert {pk * 100 for pk in pks} <= set(confirmed())


@pytest.fixture
def impatient():
    """Sessions give up a lock that they do not get at once."""

    def shorten(connection, **kwargs):
        execute(connection, SHORT_PATIENCE[connection.vendor])

    connection_created.connect(shorten)
    yield
    connection_created.disconnect(shorten)


def test_a_lock_timeout_is_waited_out_and_costs_no_attempt(server, impatient):
    make_rows_to_stop_at()
    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 600 FOR UPDATE")
        worker = receiving(author(1), STOP_SAVING)
        until_waiting(server, 1, worker)
        until(lambda: not waiting_sessions(server))
        assert worker.is_alive()
    assert_all_went_well(worker, 1, 700)


@pytest.fixture
def watchful():
    """On PostgreSQL who has waited for so long looks for a deadlock, once, and gives way: the worker, not the test."""

    def lengthen(connection, **kwargs):
        if connection.vendor == "postgresql":
            execute(connection, "SET deadlock_timeout = '5s'")

    connection_created.connect(lengthen)
    yield
    connection_created.disconnect(lengthen)


def test_a_deadlock_is_tried_again_and_costs_no_attempt(server, watchful):
    make_rows_to_stop_at()
    deliver(author(1), *(author(pk) for pk in range(800, 860)))
    with third_connection(server) as third:
        if third.vendor == "postgresql":
            execute(third, "SET deadlock_timeout = '10min'")
        execute(third, "UPDATE app_authorref SET name = 'heavy' WHERE id >= 800")
        execute(third, "SELECT id FROM app_authorref WHERE id = 600 FOR UPDATE")
        worker = receiving(author(1, 1), STOP_SAVING)
        until_waiting(server, 1, worker)
        execute(third, "SELECT id FROM app_authorref WHERE id = 1 FOR UPDATE")
        third.commit()
    assert worker.finish() == [Applied(), Applied()]
    assert AuthorRef.objects.get(pk=1).cqrs_revision == 1
    assert not Letter.objects.exists()


def test_a_session_that_is_ended_in_the_middle_is_replaced_and_nothing_is_lost(server):
    make_rows_to_stop_at()
    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 600 FOR UPDATE")
        worker = receiving(author(1), STOP_SAVING)
        until_waiting(server, 1, worker)
        (session,) = waiting_sessions(server)
        execute(connections[server], END[third.vendor].format(session))
        third.commit()
    assert_all_went_well(worker, 1, 700)


def test_sqlite_that_is_being_written_is_waited_for(sqlite):
    with third_connection("default") as third:
        execute(third, "DELETE FROM celery_cqrs_lock")
        worker = receiving(author(1))
        worker.join(0.3)
        assert worker.is_alive()
    assert_all_went_well(worker, 1)


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("error", [psycopg.OperationalError("connection refused"), RuntimeError("the search engine")])
def test_a_hook_that_cannot_reach_something_else_harms_no_neighbour(error):
    Failing.error = error
    endings = deliver(message("failing", 1, name="n"), author(2))
    assert {type(ending) for ending in endings} == {Retry, Applied}
    assert Letter.objects.get().cqrs_id == "failing"
    assert confirmed() == [100, 200]
