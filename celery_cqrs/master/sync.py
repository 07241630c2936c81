"""The present state of many rows is sent again because a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from celery_cqrs.border import result_or_error
from celery_cqrs.master import capture
from celery_cqrs.master.manager import write_alias

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
