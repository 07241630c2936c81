"""Where our tables are: services may keep models, and with them outboxes and letters, in several databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections, router
from django.db.models import Model

QUESTIONS = {"postgresql": "SHOW transaction_read_only", "mysql": "SELECT @@global.read_only"}
_known: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Presence:
    """Whether a table is on the database ``using``; when that could not be asked, ``problem`` says why."""

    using: str
    is_here: bool
    problem: str = ""


def look(model: type[Model]) -> list[Presence]:
    """Every database alias on which the table of ``model`` belongs."""
    return [_look_at(alias, model) for alias in connections if router.allow_migrate_model(alias, model)]


def aliases(model: type[Model]) -> list[str]:
    """The database aliases on which the table of ``model`` belongs and is, but for those that only copy another one."""
    return [one.using for one in look(model) if one.is_here]


def exists(using: str, model: type[Model]) -> bool:
    """Whether the table of ``model`` has been migrated on ``using``, which takes writes; asked until it has."""
    table, connection = model._meta.db_table, connections[using]
    if (using, table) not in _known and not only_reads(connection) and table in connection.introspection.table_names():
        _known.add((using, table))
    return (using, table) in _known


def only_reads(connection: Any) -> bool:
    """Whether it is a read replica, whose tables are another alias's: Django's own router has them on both."""
    if connection.settings_dict["TEST"].get("MIRROR"):
        return True
    question = QUESTIONS.get(connection.vendor)
    if question is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(question)
        return str(cursor.fetchone()[0]) in ("on", "1")


def _look_at(using: str, model: type[Model]) -> Presence:
    """A database that is away, or is none, must not stop the work on the others."""
    try:
        return Presence(using, exists(using, model))
    except ImproperlyConfigured:
        return Presence(using, False)
    except (DatabaseError, InterfaceError) as error:
        return Presence(using, False, " ".join(str(error).split()))
