"""Databases and brokers for the tests. A missing server skips what needs it, and fails it in CI, naming the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import kombu
import pytest
import redis
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from pytest_django.plugin import DjangoDbBlocker

from celery_cqrs.master import breaker, portion
from celery_cqrs.replica import confirm as confirmations
from celery_cqrs.transport.memory import MemoryTransport
from tests import router
from tests.harness.servers import OwnRedis
from tests.harness.waiting import wait_until
from tests.needs import require, require_program
from tests.services import RABBITMQ, REDIS, SERVERS, Server, end_mariadb_sessions, end_postgres_sessions, rabbitmqctl
from tests.settings import RUN

SERVER_OF_FIXTURE = {"redis_url": "redis", "rabbitmq_url": "rabbitmq"}


# ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────────
def servers_for(item: pytest.Item) -> list[Server]:
    """What this test needs, said by its ``servers`` marks (also those of its parameters)."""
    keys = {key for mark in item.iter_markers("servers") for key in mark.args}
    return [SERVERS[key] for key in sorted(keys)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a broker's fixture, before ``-m`` selects."""
    for item in items:
        for fixture in SERVER_OF_FIXTURE.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers(SERVER_OF_FIXTURE[fixture]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the servers before any fixture needs them."""
    for server in servers_for(item):
        require(server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the missing servers, with the number of tests that wanted each."""
    unhappy = [str(report.longrepr) for kind in ("skipped", "error") for report in terminalreporter.stats.get(kind, [])]
    counts = {server: sum(server.complaint in text for text in unhappy) for server in SERVERS.values()}
    if any(counts.values()):
        terminalreporter.section("missing servers", red=True)
    for server, count in counts.items():
        if count:
            terminalreporter.write_line(f"{server.complaint}, {count} tests did not run: {server.fault}", red=True)


# ── databases ──────────────────────────────────────────────────────────────────────────────────────────────────────
KEPT_TABLES = {"django_content_type", "auth_permission"}
"""What ``migrate`` has filled and no test changes: writing it again took a fifth to a quarter of the time of a test."""


def prepare_connection(connection: BaseDatabaseWrapper, **_: object) -> None:
    """SQLite: let readers and one writer work side by side. PostgreSQL: empty its tables in 3 ms, not 90."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = OFF")
    flush = deletes if connection.vendor == "postgresql" else type(connection.ops).sql_flush
    connection.ops.sql_flush = lambda style, tables, **options: flush(
        connection.ops, style, [table for table in tables if table not in KEPT_TABLES], **options
    )


def deletes(ops: BaseDatabaseOperations, style: object, tables: list[str], **_: object) -> list[str]:
    """A statement for each table, to empty it."""
    return [f"DELETE FROM {ops.quote_name(table)}" for table in tables]


connection_created.connect(prepare_connection)


def end_sessions() -> None:
    """Disconnect everyone from the test databases, or they could not be dropped."""
    for alias, end_sessions_on in {"postgres": end_postgres_sessions, "mariadb": end_mariadb_sessions}.items():
        if alias in settings.DATABASES:
            end_sessions_on(settings.DATABASES[alias]["TEST"]["NAME"])


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Before pytest-django makes the test databases: clear away what a killed run left behind."""
    end_sessions()
    for ending in ("", "-wal", "-shm"):
        Path(settings.DATABASES["default"]["TEST"]["NAME"] + ending).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Before pytest-django drops them again: no thread or subprocess that still holds a connection may prevent it."""
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    end_sessions()


def on_database(alias: str, *, server: bool = True, commits: bool = True) -> list[pytest.MarkDecorator]:
    """The marks of a test, or of a parameter, that runs on ``alias``, with real commits or without."""
    marks = [pytest.mark.django_db(transaction=commits, databases=[alias])]
    return [*marks, pytest.mark.servers(alias)] if server else marks


def each_database(*, commits: bool) -> list[Any]:
    """The databases as parameters of a fixture."""
    return [
        pytest.param("default", id="sqlite", marks=on_database("default", server=False, commits=commits)),
        pytest.param("postgres", marks=on_database("postgres", commits=commits)),
        pytest.param("mariadb", marks=on_database("mariadb", commits=commits)),
    ]


@pytest.fixture(params=each_database(commits=True))
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias under test, one database after the other; every query goes there."""
    with router.whole_process_using(request.param):
        yield request.param


@pytest.fixture(params=each_database(commits=False))
def uncommitted(request: pytest.FixtureRequest) -> Iterator[str]:
    """As ``database``, in a transaction that is never committed: quick, for what needs no other connection."""
    with router.whole_process_using(request.param):
        yield request.param


on_sqlite = pytest.mark.parametrize("uncommitted", each_database(commits=False)[:1], indirect=True)
"""For tests of ``uncommitted`` about what every database does alike."""

with_row_locks = pytest.mark.parametrize("database", each_database(commits=True)[1:], indirect=True)
"""For tests in which two connections write side by side and wait for each other's rows."""


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Future[Any]]]:
    """Runs functions in threads with connections of their own, as ``elsewhere(function, *arguments).result()``."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        yield lambda work, *arguments: threads.submit(with_own_connections, work, *arguments)


def with_own_connections(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call ``work`` and close what this thread has opened."""
    try:
        return work(*arguments)
    finally:
        connections.close_all()


def wait_until_blocked(work: Future[Any], alias: str, seconds: float = 60) -> None:
    """Return when ``work`` of another thread waits for a lock (PostgreSQL, MariaDB); raise what it raised instead."""

    def somebody_waits() -> bool:
        if work.done():
            raise AssertionError(f"it did not wait: {work.exception() or work.result()!r}")
        with connections[alias].cursor() as cursor:
            return LOCK_WAITS[connections[alias].vendor](cursor)

    wait_until(somebody_waits, what="another connection to wait for a lock", seconds=seconds)


def postgresql_waits(cursor: Any) -> bool:
    """Whether a session of this database waits for a lock."""
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    return cursor.fetchone() is not None


def mariadb_waits(cursor: Any) -> bool:
    """The same there; information_schema.innodb_trx would show everybody who looks too often the same for ever."""
    cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
    ours = {session for (session,) in cursor.fetchall()}
    cursor.execute("SHOW ENGINE INNODB STATUS")
    transactions = cursor.fetchone()[2].split("---TRANSACTION")
    waiting = re.findall(r"thread id (\d+)", "".join(text for text in transactions if "LOCK WAIT" in text))
    return not ours.isdisjoint(map(int, waiting))


LOCK_WAITS = {"postgresql": postgresql_waits, "mysql": mariadb_waits}


# ── the service under test ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Nothing that one test leaves in this process reaches the next one."""
    forget_everything()
    yield
    forget_everything()


def forget_everything() -> None:
    """Empty the memory transport and what the models of the tests have noted; publish again at once."""
    from tests.app.models import BeaconListener, RecipeDocument

    MemoryTransport.clear()
    breaker.reset()
    portion.reset()
    confirmations.flush()
    MemoryTransport.clear()
    RecipeDocument.calls.clear()
    BeaconListener.heard.clear()


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Changes keys of CQRS for one test, as in ``configure(queue="x", master={"batch_size": 2})``."""

    def change(**keys: Any) -> None:
        given: dict[str, Any] = settings.CQRS
        sections = {name: {**given.get(name, {}), **value} for name, value in keys.items() if isinstance(value, dict)}
        settings.CQRS = {**given, **keys, **sections}

    return change


# ── brokers ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis database of the tests' own, empty before and after."""
    require(REDIS)
    with redis.Redis.from_url(REDIS.url) as client:
        client.flushdb()
        yield REDIS.url
        client.flushdb()


@pytest.fixture
def own_redis(tmp_path: Path) -> Callable[..., AbstractContextManager[str]]:
    """Starts a Redis of the test's own, with this ``maxmemory-policy``, for as long as a block lasts; its url."""
    require_program(OwnRedis)

    @contextmanager
    def serve(policy: str = "noeviction") -> Iterator[str]:
        with OwnRedis(tmp_path / "redis", **{"maxmemory-policy": policy}) as server:
            yield server.url

    return serve


@pytest.fixture(scope="session")
def rabbitmq_vhost_url() -> Iterator[str]:
    """A virtual host of the tests' own where it can be made, else the one of the url."""
    vhost, user = f"test_cqrs_{RUN}", RABBITMQ.parts.username or "guest"
    rabbitmqctl("delete_vhost", vhost)
    if not rabbitmqctl("add_vhost", vhost):
        yield RABBITMQ.url
        return
    rabbitmqctl("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
    yield RABBITMQ.parts._replace(path=f"/{vhost}").geturl()
    rabbitmqctl("delete_vhost", vhost)


@pytest.fixture
def rabbitmq_url(request: pytest.FixtureRequest) -> str:
    """A RabbitMQ url; take queue names from ``queue_name``, for the queues of earlier tests may still be there."""
    require(RABBITMQ)
    url: str = request.getfixturevalue("rabbitmq_vhost_url")
    return url


@pytest.fixture(
    params=[
        pytest.param("redis_url", id="redis", marks=pytest.mark.servers("redis")),
        pytest.param("rabbitmq_url", id="rabbitmq", marks=pytest.mark.servers("rabbitmq")),
    ]
)
def broker_url(request: pytest.FixtureRequest) -> str:
    """One broker after the other."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def queue_name(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Makes queue names that no other test uses; RabbitMQ's queues of these names are deleted at the end."""
    given: list[str] = []

    def name(stem: str) -> str:
        given.append(f"{stem}_{token_hex(4)}")
        return given[-1]

    yield name
    if given and RABBITMQ in servers_for(request.node):
        with kombu.Connection(request.getfixturevalue("rabbitmq_vhost_url")) as connection:
            for queue in given:
                connection.default_channel.queue_delete(queue)
