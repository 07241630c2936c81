"""The present state of many rows is sent again because a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from celery_cqrs import signals
from celery_cqrs.border import result_or_error
from celery_cqrs.database.pages import after, satisfying
from celery_cqrs.master import capture, insert_pages, publisher
from celery_cqrs.master.manager import write_alias
from celery_cqrs.message import SignalType

ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Synced:
    """How many rows are captured for their replicas, and how many are not: filtered out, gone or failing."""

    captured: int
    left_out: int


def sync_rows(rows: QuerySet[Any], queue: str | None = None) -> Synced:
    """Capture a SYNC for each of ``rows``, in transactions of ROWS_AT_ONCE; a bad one harms no neighbour.

    Raises SettingRefused for a ``queue`` that does not get this model.
    """
    capture.queues_of(rows.model, queue)
    using = write_alias(rows)
    captured = total = 0
    for chunk in _chunks(rows.using(using)):
        captured += _sync(chunk, using, queue)
        total += len(chunk)
    return Synced(captured, total - captured)


@dataclass(frozen=True)
class Page:
    """Keys of rows that are sent again together, in their order; the rows are all of them or some that are left."""

    rows: QuerySet[Any]
    keys: list[Any]


def next_page(rows: QuerySet[Any], key: Any, size: int) -> Page | None:
    """The next ``size`` of ``rows`` behind ``key``, None when there are none; ``key`` None is the beginning."""
    keys = list(after(rows, key).values_list("pk", flat=True)[:size])
    return Page(after(rows, key).filter(pk__lte=keys[-1]), keys) if keys else None


def sync_page(model: Any, page: Page, queue: str | None = None) -> Synced:
    """Capture a SYNC for each row of ``page`` under the CQRS_ID of ``model`` alone, within the caller's transaction.

    The database does it by itself where nothing of the project wants to see each row.
    """
    using = page.rows.db
    if insert_pages.needs_instances(model) or not insert_pages.tells_key(model, connections[using].vendor):
        captured = sum(
            _sync_of(model, chunk, using, queue) for chunk in _chunks(model.relate_cqrs_serialization(page.rows))
        )
    else:
        captured = _capture_page(model, page, queue)
    return Synced(captured, len(page.keys) - captured)


def _capture_page(model: Any, page: Page, queue: str | None) -> int:
    using, queues = page.rows.db, capture.queues_of(model, queue)
    wanted = page.rows if model.CQRS_DELETE_ON_LEAVE else satisfying(page.rows, model.cqrs_sync_filter())
    captured = insert_pages.write_page(model, wanted, queues, direct=queue is not None)
    publisher.mark_captured(using)
    capture.publish_after_commit(using)
    facts = {"cqrs_id": model.CQRS_ID, "signal_type": SignalType.SYNC, "pks": page.keys, "queues": queues}
    signals.captured.send_robust(model, using=using, **facts)
    return captured


def _sync_of(model: Any, instances: Sequence[Any], using: str, queue: str | None) -> int:
    """By halves where it fails, so that a bad row harms no neighbour."""

    def work() -> int:
        with transaction.atomic(using=using):
            return capture.capture_syncs_of(model, instances, using, queue)

    done = result_or_error(work)
    if not isinstance(done, Exception):
        return done
    if len(instances) == 1:
        return 0
    middle = len(instances) // 2
    return _sync_of(model, instances[:middle], using, queue) + _sync_of(model, instances[middle:], using, queue)


def _sync(instances: Sequence[Any], using: str, queue: str | None) -> int:
    done = result_or_error(_capture, instances, using, queue)
    if not isinstance(done, Exception):
        return done
    if len(instances) == 1:
        return 0
    return sum(_sync([instance], using, queue) for instance in instances)


def _capture(instances: Sequence[Any], using: str, queue: str | None) -> int:
    with transaction.atomic(using=using):
        return capture.capture_syncs(instances, using, queue)


def _chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    found = rows.iterator(chunk_size=ROWS_AT_ONCE)
    while chunk := list(islice(found, ROWS_AT_ONCE)):
        yield chunk
