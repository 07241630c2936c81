"""CQRS_QUERY_TIMEOUT: what takes too long is a failure of its own row, and the limit reaches nothing else."""

from __future__ import annotations

import logging

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from celery_cqrs import signals
from celery_cqrs.database.limits import Limit
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Retry
from tests.app.models import AuthorRef
from tests.apply.race import ask, execute, third_connection
from tests.receive.wire import author, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Failing, reset

LIMIT_MS = 2_000
FOR_EVER = {"postgresql": "SELECT pg_sleep(3600)", "mysql": "SELECT SLEEP(3600)"}
CURRENT = {"postgresql": "SHOW statement_timeout", "mysql": "SELECT @@max_statement_time"}
NONE, LIMITED = {"0", "0.0"}, {"2s", "2.0"}


@pytest.fixture(autouse=True)
def hooks_as_written():
    """The model whose hook runs any statement is as it was."""
    reset()
    yield
    reset()


@pytest.fixture
def limited(configure, server):
    """A server on which statements of the replica may take two seconds."""
    configure(replica={"CQRS_QUERY_TIMEOUT": LIMIT_MS})
    return server


def failing(pk, statement, using):
    """A message whose hook runs ``statement`` and then creates its row."""
    Failing.broken, Failing.statements = False, [statement[connections[using].vendor]]
    return message("failing", pk, name="slow")


def limit_of(using):
    """The limit of this connection, as its database tells it."""
    return str(ask(using, CURRENT[connections[using].vendor])[0][0])


def test_a_hook_that_takes_too_long_is_a_retry_and_its_neighbours_are_applied(limited):
    endings = deliver(failing(1, FOR_EVER, limited), author(2), author(3))
    assert sorted(type(ending).__name__ for ending in endings) == ["Applied", "Applied", "Retry"]
    kept = Letter.objects.get()
    assert (kept.state, kept.attempts, kept.pk_text) == (Letter.RETRYING, 1, "1")
    assert confirmed() == [100, 200, 300]


def test_what_took_too_long_is_tried_again_like_any_failure(limited):
    deliver(failing(1, FOR_EVER, limited))
    Failing.statements = []
    assert retry_now() == 1
    assert AuthorRef.objects.get().name == "slow"
    assert not Letter.objects.exists()


def updates(pks):
    """The authors once more, newer."""
    return [author(pk, 1) for pk in pks]


def deletions(pks):
    """The end of the authors."""
    return [deletion("author", pk, 1) for pk in pks]


@pytest.mark.parametrize("changes", [updates, deletions])
def test_a_row_that_somebody_keeps_locked_harms_no_neighbour(limited, changes):
    deliver(*(author(pk) for pk in range(1, 21)))
    with third_connection(limited) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 7 FOR UPDATE")
        endings = deliver(*changes(range(1, 21)))
    assert endings.count(Applied()) == 19
    assert Letter.objects.get().pk_text == "7"
    assert retry_now() == 1
    assert not Letter.objects.exists()


def test_where_everything_takes_too_long_not_every_row_is_waited_for(limited):
    slow = failing(1, FOR_EVER, limited)
    endings = deliver(*({**slow, "instance_pk": pk, "instance_data": _data(slow, pk)} for pk in range(1, 21)))
    assert [type(ending) for ending in endings] == [Retry] * 20
    assert Failing.tries == 3
    assert Letter.objects.filter(attempts=1).count() == 20


def _data(wire, pk):
    return {**wire["instance_data"], "id": pk}


def test_the_limit_is_there_for_the_hooks_and_gone_after_the_batch(limited):
    seen = []

    def look(**_):
        seen.append(limit_of(limited))

    signals.path_chosen.connect(look)  # it is sent within the transaction
    try:
        deliver(author(1))
    finally:
        signals.path_chosen.disconnect(look)
    assert len(seen) == 1 and seen[0] in LIMITED
    assert limit_of(limited) in NONE


def test_no_limit_is_left_behind_by_a_failure(limited):
    deliver(failing(1, FOR_EVER, limited))
    assert limit_of(limited) in NONE
    assert connections[limited].execute_wrappers == []


def test_a_save_by_hand_has_no_limit_and_leaves_none_in_the_transaction_of_its_caller(limited):
    with transaction.atomic(using=limited):
        AuthorRef.cqrs_save(author(1)["instance_data"])
        deliver(author(2))
        assert limit_of(limited) in NONE


def test_a_limit_costs_no_statement(configure, server):
    def statements(revision):
        with CaptureQueriesContext(connections[server]) as captured:
            deliver(*(author(pk, revision) for pk in range(1, 11)))
        return len(captured)

    statements(0)
    without = statements(1)
    configure(replica={"CQRS_QUERY_TIMEOUT": LIMIT_MS})
    assert statements(2) == without


def test_sqlite_applies_as_without_a_limit(configure, sqlite):
    configure(replica={"CQRS_QUERY_TIMEOUT": 1})
    assert deliver(author(1)) == [Applied()]


# ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_statement_that_took_too_long_is_logged_where_that_is_wanted(limited, configure, caplog):
    configure(replica={"CQRS_LOG_TIMED_OUT_QUERIES": True, "CQRS_QUERY_LOGGER": "slow.ones"})
    deliver(failing(1, FOR_EVER, limited))
    (record,) = [one for one in caplog.records if one.name == "slow.ones"]
    assert record.levelno == logging.ERROR
    assert f"timed out after 2000 ms on {limited}, while applying failing: SELECT" in record.getMessage()


def test_nothing_is_logged_of_statements_unless_it_is_wanted(limited, caplog):
    deliver(failing(1, FOR_EVER, limited))
    assert not [one for one in caplog.records if one.name == "django-cqrs"]


def test_a_logged_statement_has_placeholders_and_no_values(limited, configure, caplog):
    configure(replica={"CQRS_LOG_TIMED_OUT_QUERIES": True, "CQRS_QUERY_LOGGER": ""})
    deliver(author(1))
    with third_connection(limited) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 1 FOR UPDATE")
        deliver(author(1, 1, name="somebody's name"))
    told = [one.getMessage() for one in caplog.records if one.name == "django-cqrs"]
    assert any("app_authorref" in text for text in told)
    assert not any("somebody" in text for text in told)


# ── MySQL, which is not among the servers of the tests: the statements that would be sent ──────────────────────────
class Mysql:
    """As much of a connection as the limit looks at."""

    vendor, alias, mysql_is_mariadb = "mysql", "mysql", False


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT 1", "SELECT /*+ MAX_EXECUTION_TIME(2000) */ 1"),
        ("UPDATE t SET v = 1", "UPDATE t SET v = 1"),
        ("SAVEPOINT a", "SAVEPOINT a"),
    ],
)
def test_mysql_limits_what_reads(sql, sent):
    def execute_as_it_is(sql, *_):
        return sql

    assert Limit(Mysql(), "author", LIMIT_MS)(execute_as_it_is, sql, None, False, {}) == sent
