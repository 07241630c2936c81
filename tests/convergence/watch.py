"""Triggers on the replica tables log every change of a revision; the log says whether anything ever went back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from celery_cqrs.models import Tombstone
from tests.convergence.models import REPLICAS, Step

FALSE, TRUE = "(1 = 0)", "(1 = 1)"
EVENTS = ("INSERT", "UPDATE", "DELETE")
LOG = "INSERT INTO convergence_step (cqrs_id, key_text, is_grave, revision)"
GRAVE = f"NEW.side = '{Tombstone.REPLICA}' AND NEW.revision <> {Tombstone.PLACEHOLDER}"


@contextmanager
def watched(using: str) -> Iterator[None]:
    """The triggers are there for as long as the block lasts."""
    connection = connections[using]
    names = []
    for name, table, event, condition, statement in _triggers():
        for sql in CREATE[connection.vendor](name, table, event, condition, statement):
            _execute(connection, sql)
        names.append((name, table))
    try:
        yield
    finally:
        for name, table in names:
            for sql in DROP[connection.vendor](name, table):
                _execute(connection, sql)


def steps_back(steps: Iterable[Step]) -> list[str]:
    """Where the log, read in order, holds a decrease, or a row at or below the revision at which it was deleted."""
    alive: dict[tuple[str, str], int] = {}
    graves: dict[tuple[str, str], int] = {}
    wrongs = []
    for step in steps:
        key, where = (step.cqrs_id, step.key_text), f"{step.cqrs_id} {step.key_text}"
        if step.revision is None:
            graves[key] = max(alive.pop(key, -1), graves.get(key, -1))
            continue
        if step.is_grave:
            graves[key] = max(step.revision, graves.get(key, -1))
        elif step.revision < alive.get(key, -1):
            wrongs.append(f"{where} went back from revision {alive[key]} to {step.revision}")
        if not step.is_grave:
            alive[key] = step.revision
        if alive.get(key, graves.get(key, -1) + 1) <= graves.get(key, -1):
            wrongs.append(f"{where} is alive at revision {alive[key]} and was deleted at {graves[key]}")
    return wrongs


def _triggers() -> Iterator[tuple[str, str, str, str, str]]:
    """Name, table, event, condition and statement of each."""
    for model in REPLICAS:
        table, key = model._meta.db_table, model._meta.pk.column
        for event in EVENTS:
            row, revision = ("OLD", "NULL") if event == "DELETE" else ("NEW", "NEW.cqrs_revision")
            condition = "NEW.cqrs_revision <> OLD.cqrs_revision" if event == "UPDATE" else "1 = 1"
            values = f"'{model.CQRS_ID}', {row}.{key}, {FALSE}, {revision}"
            yield f"watch_{table}_{event.lower()}", table, event, condition, f"{LOG} VALUES ({values})"
    for event in EVENTS[:2]:
        values = f"NEW.cqrs_id, NEW.pk, {TRUE}, NEW.revision"
        yield f"watch_graves_{event.lower()}", Tombstone._meta.db_table, event, GRAVE, f"{LOG} VALUES ({values})"


def _execute(connection: Any, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _create_postgresql(name: str, table: str, event: str, condition: str, statement: str) -> Iterator[str]:
    body = f"IF {condition} THEN {statement}; END IF; RETURN NULL;"
    yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    yield f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"


def _create_mysql(name: str, table: str, event: str, condition: str, statement: str) -> Iterator[str]:
    body = f"IF {condition} THEN {statement}; END IF"
    yield f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW {body}"


def _create_sqlite(name: str, table: str, event: str, condition: str, statement: str) -> Iterator[str]:
    yield f"CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {condition} BEGIN {statement}; END"


CREATE = {"postgresql": _create_postgresql, "mysql": _create_mysql, "sqlite": _create_sqlite}
DROP = {
    "postgresql": lambda name, table: [f"DROP FUNCTION {name}() CASCADE"],
    "mysql": lambda name, table: [f"DROP TRIGGER {name}"],
    "sqlite": lambda name, table: [f"DROP TRIGGER {name}"],
}
