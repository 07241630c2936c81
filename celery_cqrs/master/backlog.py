"""How far each replica is behind: what waits in the outbox, per database, queue and model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import Min, Sum

from celery_cqrs import conf, signals
from celery_cqrs.database import clock
from celery_cqrs.master.choice import STATES
from celery_cqrs.models import Outbox


@dataclass(frozen=True)
class Backlog:
    """What one queue has not confirmed of one model. ``lag_seconds`` is the age of the oldest of these changes."""

    using: str
    queue: str
    cqrs_id: str
    pending: int
    sent: int
    set_aside: int
    oldest_captured_at: datetime
    lag_seconds: float

    @property
    def rows(self) -> int:
        """All that is not confirmed."""
        return self.pending + self.sent + self.set_aside


@dataclass(frozen=True)
class Overfull:
    """A queue for which more than ``limit`` rows wait; ``rows`` of them were counted before counting stopped."""

    using: str
    queue: str
    rows: int
    limit: int


def read_backlogs(using: str) -> list[Backlog]:
    """The backlogs on one database, by one grouped query; nothing for what is confirmed."""
    now = clock.now(using)
    grouped = (
        Outbox.objects.using(using)
        .values("queue", "cqrs_id")
        .annotate(
            **{state: Sum("size", filter=rule, default=0) for state, rule in STATES.items()}, oldest=Min("captured_at")
        )
        .order_by("queue", "cqrs_id")
    )
    return [_backlog(using, now, **row) for row in grouped]


def find_overfull(using: str) -> list[Overfull]:
    """The queues for which more changes wait than ``outbox_max_rows`` allows; empty when there is no such cap.

    One query looks at no more rows than the cap allows to all queues together, and one: when there are that many, one
    queue at least is over its cap among them. Another one may be found only when that one is mended.
    """
    limit = conf.master.outbox_max_rows
    if limit is None:
        return []
    looked_at = limit * max(1, len(conf.master.replicas)) + 1
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT queue, SUM(size) FROM (SELECT queue, size FROM celery_cqrs_outbox LIMIT %s) few "
            "GROUP BY queue ORDER BY 1",
            [looked_at],
        )
        return [Overfull(using, queue, int(rows), limit) for queue, rows in cursor.fetchall() if rows > limit]


def announce_overfull(using: str) -> None:
    """Send ``outbox_overfull`` for each queue above the cap. Nothing is deleted: that is for a person to decide."""
    for one in find_overfull(using):
        signals.outbox_overfull.send_robust(Outbox, queue=one.queue, rows=one.rows, limit=one.limit, using=using)


def _backlog(using: str, now: datetime, oldest: datetime, **counts: Any) -> Backlog:
    captured_at = clock.from_field(oldest) or now
    lag_seconds = (now - captured_at).total_seconds()
    return Backlog(using=using, oldest_captured_at=captured_at, lag_seconds=lag_seconds, **counts)
