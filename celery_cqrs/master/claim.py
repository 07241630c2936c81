"""Step 3 begins: pending rows are marked as sent, oldest first, a batch for each queue and a few bundles at a time.

A claim commits before anything talks to the broker, so that no lock is held while a socket is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, F, Min, Q, QuerySet

from celery_cqrs.database import clock
from celery_cqrs.database.keys import among
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master import at_once, bundles
from celery_cqrs.master.claimed import Claimed
from celery_cqrs.master.outbox import by_ids
from celery_cqrs.message import SignalType
from celery_cqrs.models import LAST_YEAR, Destination, Outbox

SIBLINGS_PER_ROW = 100
BUNDLES_AT_ONCE = 4
"""For each batch that a claim is to fill; to plan the statement takes as long as to mark them."""

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
        first = list(bundled.order_by("available_at", "id").values_list("id", flat=True)[:most])
        behind = _behind(bundled.exclude(id__in=first)) if len(first) == most else Q(pk__in=[])
        picked = _pick(using, due.filter(~BUNDLE).exclude(behind), limit)
        siblings_of_these = _siblings(using, picked)
        if first:  # otherwise MariaDB would lock what it looks through
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


def _pending(using: str) -> QuerySet[Outbox]:
    return Outbox.objects.using(using).filter(PENDING)


def _due(
    using: str, moment: datetime, older_than_seconds: float = 0, queues: Collection[str] | None = None
) -> QuerySet[Outbox]:
    """Pending rows that have been available for so long, but for those of resting queues."""
    latest = clock.for_field(moment - timedelta(seconds=older_than_seconds))
    due = _pending(using).filter(available_at__lte=latest).exclude(queue__in=_resting(using, moment))
    return due if queues is None else due.filter(queue__in=queues)


def _pick(using: str, due: QuerySet[Outbox], limit: int) -> list[Read]:
    ordered = due.order_by("available_at", "id").select_for_update(skip_locked=_skips(using))
    return _read(ordered[:limit]) if limit > 0 else []


def _mark(using: str, picked: Sequence[Read]) -> list[Claimed]:
    """Mark rows that are locked as sent; the stamp is read after that, so that none of them was captured later."""
    rows = {row[0]: row for row in picked}
    stamp = clock.for_field(clock.now(using))
    for chosen in by_ids(using, list(rows)):
        chosen.update(sent_at=stamp, attempts=F("attempts") + 1)
    return [Claimed._make((*rows[row_id], stamp)) for row_id in sorted(rows)]


def _most_bundles(limit: int) -> int:
    return BUNDLES_AT_ONCE * max(1, limit // bundles.MOST_KEYS)


def _behind(left_out: QuerySet[Outbox]) -> Q:
    """What was captured, for each queue, later than the first of the bundles that there is no room for."""
    moments = left_out.order_by().values_list("queue").annotate(moment=Min("available_at"))
    return reduce(or_, (Q(queue=queue, available_at__gte=moment) for queue, moment in moments), Q(pk__in=[]))


def _moment_of(using: str, row: Read) -> Any:
    return Outbox.objects.using(using).values_list("available_at", flat=True).get(id=row[0])


def _siblings(using: str, picked: Sequence[Read]) -> list[Read]:
    """The other pending rows of the keys of ``picked``."""
    keys = {row[1:4] for row in picked}
    queues, cqrs_ids, texts = map(set, zip(*keys, strict=True)) if keys else ((), (), ())
    rows = among(_pending(using).filter(~BUNDLE, queue__in=queues, cqrs_id__in=cqrs_ids), "pk_text", texts)
    found = rows.order_by("id").values_list("id", flat=True)[: SIBLINGS_PER_ROW * len(picked)]
    others = set(found) - {row[0] for row in picked}
    held = (part.filter(PENDING).select_for_update(skip_locked=_skips(using)) for part in by_ids(using, list(others)))
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
