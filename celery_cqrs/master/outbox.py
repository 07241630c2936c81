"""Step 2: the states of outbox rows: pending → sent → confirmed and gone. ``claim.py`` is the first arrow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Greatest

from celery_cqrs import conf
from celery_cqrs.backoff import backoff_seconds
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock
from celery_cqrs.database.keys import among
from celery_cqrs.master import bundles
from celery_cqrs.master.claimed import FIRST_MEMBER, Claimed, Row, place_of, row_of
from celery_cqrs.message import SignalType
from celery_cqrs.models import LAST_YEAR, Destination, Outbox

REST_SECONDS = 2.0
IDS_PER_STATEMENT = 5_000
SET_ASIDE_SECONDS = 10.0


def stamp_of(claimed: Sequence[Claimed]) -> datetime:
    """The moment of the claim by the database's clock: the stamp that the batch carries and its confirmation echoes."""
    return clock.from_field(max(row.sent_at for row in claimed)) or clock.EPOCH


def give_back(using: str, rows: Iterable[Row], later_seconds: float = 0) -> None:
    """Make claimed rows pending again, as if they had not been claimed, or behind what comes in ``later_seconds``."""
    changes: dict[str, Any] = {"sent_at": None, "attempts": F("attempts") - 1}
    if later_seconds:
        later = clock.for_field(clock.now(using) + timedelta(seconds=later_seconds))
        changes["available_at"] = Greatest(F("available_at"), Value(later, DateTimeField()))  # a held row stays held
    for claimed in _claimed(using, rows):
        claimed.update(**changes)


def set_aside(using: str, failed: Iterable[tuple[Collection[Row], str]]) -> None:
    """Make claimed rows pending again, later, each with its error: the wait doubles with every attempt.

    A key of a bundle becomes a row of its own.
    """
    now = clock.now(using)
    members: list[Row] = []
    places: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for rows, error in failed:
        changes = _aside(now, max(row.attempts for row in rows), error)
        for claimed in _claimed(using, [row for row in rows if row.id < FIRST_MEMBER]):
            claimed.update(**changes)
        for member in (row for row in rows if row.id >= FIRST_MEMBER):
            places[row_of(member.id)][place_of(member.id)] = changes
            members.append(member)
    for claimed in _claimed(using, members):
        bundles.take_out(claimed, places)


def _aside(now: datetime, attempts: int, error: str) -> dict[str, Any]:
    wait_seconds = backoff_seconds(SET_ASIDE_SECONDS, attempts - 1, conf.master.resend_max_seconds)
    available_at = clock.for_field(now + timedelta(seconds=wait_seconds))
    return {"sent_at": None, "available_at": available_at, "error": clean_key(error, ERROR_LENGTH)}


def drop(using: str, rows: Iterable[Row]) -> None:
    """Delete rows that need no message."""
    ids, places = bundles.split(row.id for row in rows)
    for chosen in by_ids(using, ids):
        chosen.delete()
    if places:
        bundles.strike(Outbox.objects.using(using), places)


def confirm(using: str, queue: str, numbers: Collection[int], stamp: datetime) -> int:
    """Delete what ``queue`` has confirmed of a batch stamped ``stamp``; returns how many changes there still were.

    A row captured after the stamp was not in that batch: a restored master gives ids out again.
    """
    batch = {"queue": queue, "captured_at__lte": clock.for_field(stamp)}
    ids, places = bundles.split(numbers)
    count = sum(chosen.filter(**batch).delete()[0] for chosen in by_ids(using, ids))
    return count + (bundles.strike(Outbox.objects.using(using).filter(**batch), places) if places else 0)


def rest_queue(using: str, queue: str, failure: str = "") -> None:
    """Leave the rows of a queue that takes nothing now, missing or full, alone for a moment."""
    now = clock.now(using)
    until = clock.for_field(now + timedelta(seconds=REST_SECONDS))
    noted = {"rests_until": until, "failed_at": clock.for_field(now), "failure": clean_key(failure, ERROR_LENGTH)}
    Destination.objects.using(using).update_or_create(queue=queue, defaults=noted)


def on_their_way(rows: QuerySet[Outbox]) -> QuerySet[Outbox]:
    """Those of ``rows`` that bring their key to the replica by themselves, which a held change does not.

    A held SYNC counts: to ask for another one would not help.
    """
    return rows.exclude(~Q(signal_type=SignalType.SYNC), available_at__year__gt=LAST_YEAR)


def _claimed(using: str, rows: Iterable[Row]) -> Iterator[QuerySet[Outbox]]:
    """These rows as they were claimed; whatever has happened to them since then is not touched."""
    stamps = {row_of(row.id): row.sent_at for row in rows}
    return (chosen.filter(sent_at__in=set(stamps.values())) for chosen in by_ids(using, list(stamps)))


def by_ids(using: str, ids: Sequence[int]) -> Iterator[QuerySet[Outbox]]:
    """The rows by id, in parts that every database takes as parameters of one statement."""
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield among(Outbox.objects.using(using), "id", ids[start : start + IDS_PER_STATEMENT])
