"""Connections between batches: kept as CONN_MAX_AGE says, and one that died meanwhile costs a new one, nothing else."""

from __future__ import annotations

import pytest
from django.db import connections
from django.db.backends.signals import connection_created

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied
from tests.app.models import AuthorRef
from tests.apply.race import execute, third_connection
from tests.receive.wire import author, deliver

SESSION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


@pytest.fixture
def kept(server, monkeypatch):
    """Connections of this server live for ever, as with CONN_MAX_AGE = None."""
    monkeypatch.setitem(connections[server].settings_dict, "CONN_MAX_AGE", None)
    connections[server].close()
    yield server
    connections[server].close()


@pytest.fixture
def opened():
    """The aliases of the connections that are opened meanwhile."""
    aliases = []

    def note(connection, **_):
        aliases.append(connection.alias)

    connection_created.connect(note)
    yield aliases
    connection_created.disconnect(note)


def end_session(using):
    """Have the server end the session of this connection."""
    with connections[using].cursor() as cursor:
        cursor.execute(SESSION[connections[using].vendor])
        (session,) = cursor.fetchone()
    with third_connection(using) as third:
        execute(third, END[third.vendor].format(session))


def test_batches_share_a_connection_that_is_meant_to_live(kept, opened):
    for revision in range(5):
        assert deliver(author(1, revision)) == [Applied()]
    assert opened == [kept]


def test_a_connection_that_may_not_grow_old_is_opened_anew_as_between_requests(server, opened):
    connections[server].close()
    deliver(author(1))
    deliver(author(1, 1))
    assert len(opened) >= 2


@pytest.mark.parametrize("health_checks", [False, True])
def test_a_connection_that_died_between_batches_costs_a_new_one_and_nothing_else(
    kept, opened, monkeypatch, health_checks
):
    monkeypatch.setitem(connections[kept].settings_dict, "CONN_HEALTH_CHECKS", health_checks)
    deliver(author(1))
    end_session(kept)
    opened.clear()
    assert deliver(author(1, 1), author(2)) == [Applied(), Applied()]
    assert opened == [kept]
    assert AuthorRef.objects.count() == 2
    assert not Letter.objects.exists()
