"""Databases by url: made, dropped, locked and read with their plain drivers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

Row = tuple[Any, ...]


class Database(Protocol):
    """One database of one service. ``url`` is what the service's settings are given."""

    url: str

    def create(self) -> None:
        """Make it, empty; an old one of this name goes."""

    def drop(self) -> None:
        """Remove it, whoever is still connected."""

    def connect(self) -> Any:
        """A plain driver connection in autocommit."""

    def lock(self, cursor: Any, tables: Sequence[str]) -> None:
        """Let nobody else write to these tables as long as the cursor's connection lives."""


def database(url: str, name: str, folder: Path) -> Database:
    """The database ``name``: a file in ``folder`` when ``url`` is empty, else on the server that ``url`` names."""
    parts = urlsplit(url)
    if not url or parts.scheme.startswith("sqlite"):
        return SQLite(folder / f"{name}.sqlite3")
    if parts.scheme in ("postgres", "postgresql"):
        return PostgreSQL(parts, name)
    if parts.scheme in ("mysql", "mariadb"):
        return MySQL(parts, name)
    raise ValueError(f"A database url begins with postgres://, mysql:// or sqlite://, not with {url!r}")


def rows(source: Database, sql: str) -> list[Row]:
    """What a query returns, as plain tuples."""
    with closing(source.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


@contextmanager
def held(target: Database, *tables: str) -> Iterator[None]:
    """Whoever wants to write to ``tables`` waits until this block ends."""
    with closing(target.connect()) as connection, closing(connection.cursor()) as cursor:
        target.lock(cursor, tables)
        yield


class SQLite:
    """A file; its write lock is for the whole of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite3://{path}"

    def create(self) -> None:
        """Make an empty file that readers and a writer can share."""
        self.drop()
        with closing(self.connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")

    def drop(self) -> None:
        """Remove the file and its companions."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def connect(self) -> sqlite3.Connection:
        """Autocommit, patient with writers."""
        return sqlite3.connect(self.path, timeout=20, isolation_level=None)

    def lock(self, cursor: sqlite3.Cursor, tables: Sequence[str]) -> None:
        """Take the only write lock there is."""
        cursor.execute("BEGIN IMMEDIATE")


class PostgreSQL:
    """A database on a PostgreSQL server; ``parts`` names the maintenance database."""

    def __init__(self, parts: SplitResult, name: str) -> None:
        self.name = name
        self.maintenance_url = parts._replace(scheme="postgresql").geturl()
        self.url = parts._replace(scheme="postgresql", path=f"/{name}").geturl()

    def create(self) -> None:
        """A new one in UTF-8."""
        self.drop()
        self._maintain(f"CREATE DATABASE {self.name} ENCODING 'UTF8' TEMPLATE template0")

    def drop(self) -> None:
        """Sessions that linger are ended."""
        self._maintain(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def connect(self) -> Any:
        """Through psycopg."""
        return self._open(self.url)

    def lock(self, cursor: Any, tables: Sequence[str]) -> None:
        """Readers pass, writers wait."""
        cursor.execute("BEGIN")
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE")

    def _maintain(self, sql: str) -> None:
        with closing(self._open(self.maintenance_url)) as connection:
            connection.execute(sql)

    @staticmethod
    def _open(url: str) -> Any:
        import psycopg  # an extra: nobody needs the driver of a database that is not used

        return psycopg.connect(url, autocommit=True, connect_timeout=5)


class MySQL:
    """A database on a MariaDB or MySQL server; the name in ``parts`` is not used."""

    def __init__(self, parts: SplitResult, name: str) -> None:
        self.name = name
        self.parts = parts
        self.url = parts._replace(scheme="mysql", path=f"/{name}").geturl()

    def create(self) -> None:
        """A new one that can hold every character and tells them apart."""
        self.drop()
        self._maintain(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")

    def drop(self) -> None:
        """Sessions that linger find nothing."""
        self._maintain(f"DROP DATABASE IF EXISTS {self.name}")

    def connect(self) -> Any:
        """Through PyMySQL."""
        return self._open(self.name)

    def lock(self, cursor: Any, tables: Sequence[str]) -> None:
        """Others neither read nor write."""
        cursor.execute(f"LOCK TABLES {', '.join(f'{table} WRITE' for table in tables)}")

    def _maintain(self, sql: str) -> None:
        with closing(self._open(None)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql)

    def _open(self, name: str | None) -> Any:
        import pymysql  # an extra, see above

        login = {"host": self.parts.hostname, "port": self.parts.port or 3306, "user": self.parts.username or "root"}
        return pymysql.connect(
            **login,
            password=self.parts.password or "",
            database=name,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,
        )
