"""Workers side by side, and a third connection whose locks decide when each of them goes on."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from celery_cqrs.replica.receive import receive
from tests.receive.wire import author, batch, deletion, deliver

DEADLINE_SECONDS = 60.0

ISOLATION = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {}",
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL {}",
}


class Worker(threading.Thread):
    """Does one thing in a thread with connections of its own, and keeps what came out."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Work, and leave no connection open."""
        try:
            self.result = self.work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def finish(self) -> Any:
        """Wait for the end; what went wrong in the thread goes wrong here."""
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive(), "the worker is stuck"
        if self.error is not None:
            raise self.error
        return self.result


def receiving(*messages: Any) -> Worker:
    """A worker that receives one batch of ``messages``."""
    payload = batch(*messages)
    return Worker(lambda: [outcome for _, outcome in receive(payload)])


def until(condition: Callable[[], bool]) -> None:
    """Ask until ``condition`` holds; every question is a query, so nobody else is kept from working."""
    deadline = monotonic() + DEADLINE_SECONDS
    while not condition():
        assert monotonic() < deadline, "it never came to that"


def waiting_sessions(using: str) -> set[int]:
    """The sessions of the database under test that wait for a lock."""
    return SESSIONS[connections[using].vendor](using)


def waiting_on_postgresql(using: str) -> set[int]:
    """For advisory locks and rows alike."""
    where = "datname = current_database() AND wait_event_type = 'Lock'"
    return {session for (session,) in ask(using, f"SELECT pid FROM pg_stat_activity WHERE {where}")}


def waiting_on_mariadb(using: str) -> set[int]:
    """From the status report: information_schema answers from a cache that asking again and again never renews."""
    ours = {session for (session,) in ask(using, "SELECT id FROM information_schema.processlist WHERE db = database()")}
    ((_, _, report),) = ask(using, "SHOW ENGINE INNODB STATUS")
    waiting = re.findall(r"^LOCK WAIT .*\n(?:.*\n)*?M\w+ thread id (\d+)", report, re.MULTILINE)
    return ours & {int(session) for session in waiting}


SESSIONS = {"postgresql": waiting_on_postgresql, "mysql": waiting_on_mariadb}


def ask(using: str, sql: str) -> Sequence[Any]:
    """The rows of one query."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql)
        rows: Sequence[Any] = cursor.fetchall()
        return rows


def until_waiting(using: str, count: int, *workers: Worker) -> None:
    """Until ``count`` sessions wait for a lock, or all ``workers`` have gone through without waiting."""
    until(lambda: len(waiting_sessions(using)) >= count or not any(worker.is_alive() for worker in workers))


@contextmanager
def third_connection(using: str) -> Iterator[Any]:
    """A transaction in a connection beside the workers' and the test's own; rolled back unless it was committed."""
    connection = connections[using].copy()
    try:
        connection.set_autocommit(False)
        yield connection
    finally:
        connection.rollback()
        connection.close()


def execute(connection: Any, sql: str) -> None:
    """Run one statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def isolation(level: str) -> Iterator[None]:
    """Every connection that is opened meanwhile works at isolation ``level``, as the settings of a project may say."""

    def set_level(connection: Any, **_: Any) -> None:
        execute(connection, ISOLATION[connection.vendor].format(level))

    connection_created.connect(set_level)
    try:
        yield
    finally:
        connection_created.disconnect(set_level)


STOP_DELETING = deletion("author", 500, 1)
STOP_SAVING = author(700, rival=600)


def make_rows_to_stop_at() -> None:
    """The rows over which batches with STOP_DELETING or STOP_SAVING stumble."""
    deliver(author(500), author(501, rival=500), author(600))


@contextmanager
def stopped(server: str, *messages: Any) -> Iterator[Worker]:
    """A worker that has done all of ``messages`` but the last, which it waits for; goes on when the block ends."""
    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id IN (501, 600) FOR UPDATE")
        worker = receiving(*messages)
        until_waiting(server, 1, worker)
        assert worker.is_alive()
        yield worker
        execute(third, "DELETE FROM app_authorref WHERE id = 501")
        third.commit()
    worker.finish()


def meet(server: str, first: Sequence[Any], second: Sequence[Any]) -> tuple[Any, Any]:
    """Have ``first`` stopped in the middle and ``second`` come; once it waits or is through, let both go on."""
    with stopped(server, *first) as one:
        other = receiving(*second)
        until_waiting(server, 2, other)
    return one.finish(), other.finish()
