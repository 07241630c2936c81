"""What was captured, as plain tuples."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox, Tombstone


def captured() -> list[tuple[str, str, str, int]]:
    """Signal type, id, key and revision of each outbox row, oldest first.

    The row of a SAVE that goes on above a deletion notes its revision with a minus.
    """
    rows = Outbox.objects.order_by("id")
    return [(one.signal_type, one.cqrs_id, one.pk_text, abs(one.revision)) for one in rows]


def carry_to_replica(using: str) -> None:
    """Publish what is captured and deliver it, and what comes of it."""
    drain_all(using)
    testing.deliver()


def forget_captured() -> None:
    """Empty the outbox: only what comes now is looked at."""
    Outbox.objects.all().delete()


def stored_revision(instance: Model) -> int:
    """The revision in the database."""
    revision: int = type(instance)._base_manager.values_list("cqrs_revision", flat=True).get(pk=instance.pk)
    return revision


def graves() -> dict[tuple[str, str], int]:
    """The remembered deletions of the master side: id and key → revision."""
    found = Tombstone.objects.filter(side=Tombstone.MASTER)
    return {(one.cqrs_id, one.pk_text): one.revision for one in found}


QUOTES = str.maketrans("", "", '"`')


def outbox_inserts(queries: CaptureQueriesContext) -> int:
    """How many statements wrote outbox rows."""
    plain = (query["sql"].translate(QUOTES) for query in queries.captured_queries)
    return sum(sql.startswith("INSERT INTO celery_cqrs_outbox") for sql in plain)


def previous_values() -> list[Any]:
    """The previous data of each outbox row, oldest first."""
    return list(Outbox.objects.order_by("id").values_list("previous_data", flat=True))


def meta_by_path(obj: Model, **_: Any) -> dict[str, Any]:
    """A meta function that settings name by its path."""
    return {"model": type(obj).__name__}
