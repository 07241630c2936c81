"""The servers that tests may use: where they are expected, and whether they answer. Environment variables move them."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from shutil import which
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import kombu
import psycopg
import pymysql
import redis

CONNECT_SECONDS = 3


@dataclass(frozen=True)
class Server:
    """A server on this machine or elsewhere: ``key`` is its database alias, if it is a database."""

    key: str
    name: str
    variable: str
    default_url: str
    log_in: Callable[[str], None]

    @property
    def url(self) -> str:
        """Where it is expected."""
        return os.environ.get(self.variable) or self.default_url

    @property
    def parts(self) -> SplitResult:
        """The pieces of its url."""
        return urlsplit(self.url)

    @cached_property
    def fault(self) -> str | None:
        """What went wrong at the one attempt to log in, None if it answered."""
        try:
            self.log_in(self.url)
        except Exception as error:
            return " ".join(str(error).split()) or type(error).__name__
        return None

    @property
    def answers(self) -> bool:
        """Whether tests can use it."""
        return self.fault is None

    @property
    def complaint(self) -> str:
        """The sentence for its absence, without the password."""
        return f"{self.name} does not answer at {self.parts.hostname}:{self.parts.port} (set by {self.variable})"


def log_in_to_postgres(url: str) -> None:
    """Connect to the maintenance database of ``url``."""
    psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()


def mysql_arguments(url: str) -> dict[str, Any]:
    """The connection arguments of PyMySQL for ``url``."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "ssl_disabled": True,
    }


def log_in_to_mariadb(url: str) -> None:
    """Connect without choosing a database."""
    pymysql.connect(**mysql_arguments(url), connect_timeout=CONNECT_SECONDS).close()


def log_in_to_redis(url: str) -> None:
    """Send one PING."""
    with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS) as client:
        client.ping()


def log_in_to_rabbitmq(url: str) -> None:
    """Open one connection, without retries."""
    with kombu.Connection(url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.connect()


POSTGRES = Server(
    "postgres",
    "PostgreSQL",
    "CQRS_TEST_POSTGRES",
    f"postgres://{getpass.getuser()}@127.0.0.1:5432/postgres",
    log_in_to_postgres,
)
MARIADB = Server("mariadb", "MariaDB", "CQRS_TEST_MARIADB", "mysql://root@127.0.0.1:3306", log_in_to_mariadb)
REDIS = Server("redis", "Redis", "CQRS_TEST_REDIS", "redis://127.0.0.1:6379/13", log_in_to_redis)
RABBITMQ = Server(
    "rabbitmq", "RabbitMQ", "CQRS_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//", log_in_to_rabbitmq
)
SERVERS = {server.key: server for server in (POSTGRES, MARIADB, REDIS, RABBITMQ)}


def end_postgres_sessions(database: str) -> None:
    """Close what a killed run, or a thread of this one, still holds open: it would forbid dropping the database."""
    with psycopg.connect(POSTGRES.url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])


def end_mariadb_sessions(database: str) -> None:
    """The same there, where dropping the database would wait for their locks."""
    with pymysql.connect(**mysql_arguments(MARIADB.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [database])
        for (session,) in cursor.fetchall():
            cursor.execute("KILL %s", [session])


def rabbitmqctl(*arguments: str) -> bool:
    """Run the server's own tool where it is at hand and allowed."""
    if which("rabbitmqctl") is None or RABBITMQ.parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return False
    done = subprocess.run(["rabbitmqctl", "--quiet", *arguments], capture_output=True, timeout=60, check=False)
    return done.returncode == 0
