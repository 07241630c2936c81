"""Outbox rows that a person means, and what can be done with them by hand: list, retry, drop.

All of it works in portions, each in a transaction of milliseconds that passes over rows which somebody else holds, so
that a million rows neither fill the memory nor stop those who capture, publish or confirm meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections
from django.db.models import Case, F, Max, Q, QuerySet, Sum, Value, When

from celery_cqrs import conf, signals
from celery_cqrs.columns import clean_key
from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master import bundles
from celery_cqrs.models import Outbox

PORTION = 1_000
SET_ASIDE = "set_aside"
STATES = {
    "pending": Q(sent_at__isnull=True, error=""),
    "sent": Q(sent_at__isnull=False),
    SET_ASIDE: Q(sent_at__isnull=True, error__gt=""),
}
"""Each row is in one of them. What is set aside waits for its next try, with the error of the last one."""


def with_error(text: str) -> Q:
    """Rows whose error contains ``text``, in any case; PostgreSQL has an index of those that have one at all."""
    return Q(error__gt="", error__icontains=text)


def with_key(using: str, pk: str) -> Q:
    """Rows of this key, and the bundles of ``using`` that hold it."""
    key = clean_key(pk)
    return Q(kind=Outbox.SYNC, pk_text=key) | Q(id__in=bundles.holding(Outbox.objects.using(using), key))


def state_of(row: Outbox) -> str:
    """The key of STATES that ``row`` is in."""
    if row.sent_at is not None:
        return "sent"
    return SET_ASIDE if row.error else "pending"


@dataclass(frozen=True)
class Choice:
    """Which rows a person means; None leaves a criterion out. ``state`` is a key of STATES, ``error`` a part of it."""

    queue: str | None = None
    cqrs_id: str | None = None
    state: str | None = None
    older_than_seconds: float | None = None
    ids: tuple[int, ...] | None = None
    pk: str | None = None
    error: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether no criterion is given."""
        return self == Choice()

    def on(self, using: str) -> QuerySet[Outbox]:
        """The chosen rows of one database, oldest first."""
        criteria: dict[str, Any] = {"queue": self.queue, "cqrs_id": self.cqrs_id, "id__in": self.ids}
        if self.older_than_seconds is not None:
            latest = clock.now(using) - timedelta(seconds=self.older_than_seconds)
            criteria["captured_at__lt"] = clock.for_field(latest)
        given = {name: value for name, value in criteria.items() if value is not None}
        rules = [STATES.get(self.state or "", Q()), Q() if self.error is None else with_error(self.error)]
        rules += [] if self.pk is None else [with_key(using, self.pk)]
        return Outbox.objects.using(using).filter(*rules, **given).order_by("id")


@dataclass(frozen=True)
class Done:
    """``changed`` were retried or dropped; ``left`` were being sent or confirmed just then and are left alone.

    Both count changes, of which a bundle is many; ``rows`` is how many rows that were.
    """

    changed: int = 0
    left: int = 0
    rows: int = 0

    def __add__(self, other: Done) -> Done:
        return Done(self.changed + other.changed, self.left + other.left, self.rows + other.rows)


def find_rows(using: str, rows: QuerySet[Outbox], limit: int | None = None) -> Iterator[Outbox]:
    """``rows``, at most ``limit``, read in portions."""
    for sizes in _portions(using, rows, limit):
        yield from _by_id(using, sizes).order_by("id")


def count_rows(rows: QuerySet[Outbox], limit: int | None = None) -> int:
    """How many rows there are, counted up to ``limit``."""
    return rows.order_by()[:limit].count()


def count_changes(rows: QuerySet[Outbox], limit: int | None = None) -> int:
    """How many changes the first ``limit`` of ``rows`` are: a bundle is many."""
    return int(rows[:limit].aggregate(changes=Sum("size", default=0))["changes"])


def retry_rows(using: str, rows: QuerySet[Outbox], limit: int | None = None) -> Done:
    """Make ``rows`` pending at once, whatever they waited for; the next drain sends them in the order of their capture.

    A sent row is sent once more, without waiting for evidence that it was lost; its revision makes a duplicate
    harmless. What was claimed in the last ``resend_margin_seconds`` is on its way and left alone. What was set aside
    starts anew: its error is cleared, and its wait would begin at the shortest again.
    """
    settled_at = clock.for_field(clock.now(using) - timedelta(seconds=conf.master.resend_margin_seconds))
    settled = rows.filter(Q(sent_at__isnull=True) | Q(sent_at__lte=settled_at))
    done = Done()
    for sizes in _portions(using, rows, limit):
        with write_transaction(using):
            held = _hold(using, settled, sizes)
            resend_at_once(_by_id(using, held))
        done += _done(sizes, held)
    return done


def resend_at_once(rows: QuerySet[Outbox]) -> int:
    """Make ``rows`` pending, in one statement; returns how many there were."""
    attempts = Case(When(STATES[SET_ASIDE], then=Value(0)), default=F("attempts"))
    # the attempts first: MariaDB and MySQL assign from left to right, and see what they have just assigned
    changes: dict[str, Any] = {"attempts": attempts, "sent_at": None, "available_at": F("captured_at"), "error": ""}
    return rows.order_by().update(**changes)


def drop_rows(using: str, rows: QuerySet[Outbox], limit: int | None = None) -> Done:
    """Delete ``rows``: what they carry never arrives, unless it is on its way already."""
    done = Done()
    for sizes in _portions(using, rows, limit):
        with write_transaction(using):
            held = _hold(using, rows, sizes)
            _by_id(using, held).delete()
        done += _done(sizes, held)
    if done.changed:
        signals.dropped.send_robust(Outbox, count=done.changed, using=using)
    return done


def _portions(using: str, rows: QuerySet[Outbox], limit: int | None) -> Iterator[dict[int, int]]:
    """The ids of ``rows`` in order, each with its size, PORTION at a time; what is captured from now on is not among
    them.
    """
    newest = Outbox.objects.using(using).aggregate(newest=Max("id"))["newest"]
    last, left = 0, limit
    while newest is not None and (left is None or left > 0):
        size = PORTION if left is None else min(PORTION, left)
        sizes = dict(rows.filter(id__gt=last, id__lte=newest).values_list("id", "size")[:size])
        if not sizes:
            return
        yield sizes
        last, left = max(sizes), None if left is None else left - len(sizes)


def _hold(using: str, rows: QuerySet[Outbox], ids: Iterable[int]) -> list[int]:
    """Lock those of ``ids`` that are still among ``rows`` and that nobody else holds; returns which."""
    skips = connections[using].features.has_select_for_update_skip_locked
    held = rows.filter(id__in=list(ids)).select_for_update(skip_locked=skips)
    return list(held.values_list("id", flat=True))


def _by_id(using: str, ids: Iterable[int]) -> QuerySet[Outbox]:
    return Outbox.objects.using(using).filter(id__in=list(ids))


def _done(sizes: Mapping[int, int], held: Iterable[int]) -> Done:
    changed = sum(sizes[row_id] for row_id in held)
    return Done(changed, sum(sizes.values()) - changed, len(sizes))
