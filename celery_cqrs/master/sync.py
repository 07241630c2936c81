"""The present state of many rows is sent again because a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from celery_cqrs import conf
from celery_cqrs.border import result_or_error
from celery_cqrs.database.pages import after, satisfying
from celery_cqrs.master import bundles, capture
from celery_cqrs.master.concerned import queues_of
from celery_cqrs.master.manager import write_alias
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.serialize import key_text

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
    queues_of(rows.model, queue)
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
    if _needs_instances(model) or not bundles.are_enough([key_text(model, key) for key in page.keys]):
        captured = sum(
            _sync_of(model, chunk, using, queue) for chunk in _chunks(model.relate_cqrs_serialization(page.rows))
        )
    else:
        captured = _capture_page(model, page, queue)
    return Synced(captured, len(page.keys) - captured)


def _needs_instances(model: Any) -> bool:
    """Whether something of the project wants to see each row at capture: a filter without SQL, meta, correlation."""
    filters = model.is_sync_instance is not RawMasterMixin.is_sync_instance and model.cqrs_sync_filter() is None
    wants = filters and not model.CQRS_DELETE_ON_LEAVE  # with it the filter is asked when the row is published
    return bool(wants or model.has_cqrs_meta() or conf.master.correlation_function)


def _capture_page(model: Any, page: Page, queue: str | None) -> int:
    rule = None if model.CQRS_DELETE_ON_LEAVE else model.cqrs_sync_filter()
    wanted = page.keys if rule is None else list(satisfying(page.rows, rule).values_list("pk", flat=True))
    capture.capture_sync_keys(model, wanted, page.rows.db, queue)
    return len(wanted)


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
