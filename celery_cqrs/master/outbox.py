"""Step 2: the states of outbox rows: pending → sent → confirmed and gone.

Claiming commits before anything talks to the broker, so that no lock is held while a socket is waited for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.functions import Greatest

from celery_cqrs import conf
from celery_cqrs.backoff import backoff_seconds
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock
from celery_cqrs.database.keys import among
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master import at_once, bundles
from celery_cqrs.master.claimed import FIRST_MEMBER, Claimed, Row, place_of, row_of
from celery_cqrs.message import SignalType
from celery_cqrs.models import LAST_YEAR, Destination, Outbox

REST_SECONDS = 2.0
IDS_PER_STATEMENT = 5_000
SIBLINGS_PER_ROW = 100
BUNDLES_AT_ONCE = 4
"""For each batch that a claim is to fill; to plan the statement takes as long as to mark them."""
SET_ASIDE_SECONDS = 10.0

HELD = ExpressionWrapper(Q(error__gt="", available_at__year__gt=LAST_YEAR), BooleanField())
PENDING = Q(kind__in=(Outbox.SYNC, Outbox.BUNDLE), sent_at__isnull=True)
BUNDLE, SYNC = Q(kind=Outbox.BUNDLE), Q(signal_type=SignalType.SYNC.value)

Read = tuple[Any, ...]
"""A row as it was read: the values of ``Claimed`` but for the last."""

COLUMNS = Claimed._fields[:14]
"""What is told as it is stored."""


def claim_changes(
    using: str, limit: int, older_than_seconds: float = 0, queues: Collection[str] | None = None
) -> list[Claimed]:
    """Mark about ``limit`` pending changes and a few bundles as sent, the oldest first, and return them by id.

    All other pending rows of a change's key go with it, so that previous values stay whole. Rows locked by another
    publisher are passed over. ``queues`` are the only ones looked at; None for all. SYNCs are not among them.
    """
    most = _most_bundles(limit)
    if connections[using].vendor == "postgresql":
        siblings = SIBLINGS_PER_ROW * limit
        return at_once.claim_changes(using, limit, most, older_than_seconds, queues, siblings)
    due = _due(using, clock.now(using), older_than_seconds, queues).filter(~SYNC)
    if not due.exists():
        return []
    with write_transaction(using):
        bundled = due.filter(BUNDLE)
        moments = list(bundled.order_by("available_at", "id").values_list("available_at", flat=True)[: most + 1])
        barrier = Q(available_at__lt=moments[most]) if len(moments) > most else Q()
        picked = _pick(using, due.filter(~BUNDLE, barrier), limit)
        siblings_of_these = _siblings(using, picked)
        if moments:  # otherwise MariaDB would lock what it looks through
            until = Q(available_at__lte=_moment_of(using, picked[-1])) if len(picked) >= limit else Q()
            picked += _pick(using, bundled.filter(until), most)
        return _mark(using, [*picked, *siblings_of_these])


def claim_syncs(
    using: str, limit: int, older_than_seconds: float = 0, queues: Collection[str] | None = None
) -> list[Claimed]:
    """The same for up to ``limit`` SYNCs and, if these leave room, for a few bundles of them."""
    if limit <= 0:
        return []
    most = _most_bundles(limit)
    if connections[using].vendor == "postgresql":
        return at_once.claim_syncs(using, limit, most, older_than_seconds, queues)
    due = _due(using, clock.now(using), older_than_seconds, queues).filter(SYNC)
    singles, bundled = due.filter(~BUNDLE), due.filter(BUNDLE)
    has_singles, has_bundled = singles.exists(), bundled.exists()
    if not (has_singles or has_bundled):
        return []
    with write_transaction(using):
        picked = _pick(using, singles, limit) if has_singles else []
        return _mark(using, picked + (_pick(using, bundled, min(most, limit - len(picked))) if has_bundled else []))


def has_due(using: str, queues: Collection[str] | None = None) -> bool:
    """Whether a claim would find anything."""
    if connections[using].vendor == "postgresql":
        return at_once.has_due(using, queues)
    return _due(using, clock.now(using), queues=queues).exists()


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
    for chosen in _by_ids(using, ids):
        chosen.delete()
    if places:
        bundles.strike(Outbox.objects.using(using), places)


def confirm(using: str, queue: str, numbers: Collection[int], stamp: datetime) -> int:
    """Delete what ``queue`` has confirmed of a batch stamped ``stamp``; returns how many changes there still were.

    A row captured after the stamp was not in that batch: a restored master gives ids out again.
    """
    batch = {"queue": queue, "captured_at__lte": clock.for_field(stamp)}
    ids, places = bundles.split(numbers)
    count = sum(chosen.filter(**batch).delete()[0] for chosen in _by_ids(using, ids))
    return count + (bundles.strike(Outbox.objects.using(using).filter(**batch), places) if places else 0)


def rest_queue(using: str, queue: str, failure: str = "") -> None:
    """Leave the rows of a queue that takes nothing now, missing or full, alone for a moment."""
    now = clock.now(using)
    until = clock.for_field(now + timedelta(seconds=REST_SECONDS))
    noted = {"rests_until": until, "failed_at": clock.for_field(now), "failure": clean_key(failure, ERROR_LENGTH)}
    Destination.objects.using(using).update_or_create(queue=queue, defaults=noted)


def _pending(using: str) -> QuerySet[Outbox]:
    return Outbox.objects.using(using).filter(PENDING)


def _due(
    using: str, moment: datetime, older_than_seconds: float = 0, queues: Collection[str] | None = None
) -> QuerySet[Outbox]:
    """Pending rows that have been available for so long, but for those of resting queues."""
    latest = clock.for_field(moment - timedelta(seconds=older_than_seconds))
    due = _pending(using).filter(available_at__lte=latest).exclude(queue__in=_resting(using, moment))
    return due if queues is None else due.filter(queue__in=queues)


def on_their_way(rows: QuerySet[Outbox]) -> QuerySet[Outbox]:
    """Those of ``rows`` that bring their key to the replica by themselves, which a held change does not.

    A held SYNC counts: to ask for another one would not help.
    """
    return rows.exclude(~Q(signal_type=SignalType.SYNC), available_at__year__gt=LAST_YEAR)


def _claimed(using: str, rows: Iterable[Row]) -> Iterator[QuerySet[Outbox]]:
    """These rows as they were claimed; whatever has happened to them since then is not touched."""
    stamps = {row_of(row.id): row.sent_at for row in rows}
    return (chosen.filter(sent_at__in=set(stamps.values())) for chosen in _by_ids(using, list(stamps)))


def _by_ids(using: str, ids: Sequence[int]) -> Iterator[QuerySet[Outbox]]:
    """The rows by id, in parts that every database takes as parameters of one statement."""
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield among(Outbox.objects.using(using), "id", ids[start : start + IDS_PER_STATEMENT])


def _pick(using: str, due: QuerySet[Outbox], limit: int) -> list[Read]:
    ordered = due.order_by("available_at", "id").select_for_update(skip_locked=_skips(using))
    return _read(ordered[:limit]) if limit > 0 else []


def _mark(using: str, picked: Sequence[Read]) -> list[Claimed]:
    """Mark rows that are locked as sent; the stamp is read after that, so that none of them was captured later."""
    rows = {row[0]: row for row in picked}
    stamp = clock.for_field(clock.now(using))
    for chosen in _by_ids(using, list(rows)):
        chosen.update(sent_at=stamp, attempts=F("attempts") + 1)
    return [Claimed._make((*rows[row_id], stamp)) for row_id in sorted(rows)]


def _most_bundles(limit: int) -> int:
    return BUNDLES_AT_ONCE * max(1, limit // bundles.MOST_KEYS)


def _moment_of(using: str, row: Read) -> Any:
    return Outbox.objects.using(using).values_list("available_at", flat=True).get(id=row[0])


def _siblings(using: str, picked: Sequence[Read]) -> list[Read]:
    """The other pending rows of the keys of ``picked``."""
    keys = {row[1:4] for row in picked}
    queues, cqrs_ids, texts = map(set, zip(*keys, strict=True)) if keys else ((), (), ())
    rows = among(_pending(using).filter(~BUNDLE, queue__in=queues, cqrs_id__in=cqrs_ids), "pk_text", texts)
    found = rows.order_by("id").values_list("id", flat=True)[: SIBLINGS_PER_ROW * len(picked)]
    others = set(found) - {row[0] for row in picked}
    held = (part.filter(PENDING).select_for_update(skip_locked=_skips(using)) for part in _by_ids(using, list(others)))
    return [row for part in held for row in _read(part) if row[1:4] in keys]


def _read(rows: QuerySet[Outbox]) -> list[Read]:
    """The values of ``Claimed`` but for the last, with the attempt that is about to be made."""
    told = rows.values_list(*COLUMNS, "captured_at", HELD, F("attempts") + 1)
    return [(*row[:14], _moment_text(row[14]), *row[15:]) for row in told]


def _moment_text(moment: datetime) -> str:
    return f'"{(clock.from_field(moment) or clock.EPOCH).isoformat()}"'


def _resting(using: str, moment: datetime) -> list[str]:
    resting = Destination.objects.using(using).filter(rests_until__gt=clock.for_field(moment))
    return list(resting.values_list("queue", flat=True))


def _skips(using: str) -> bool:
    return connections[using].features.has_select_for_update_skip_locked
