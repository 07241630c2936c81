"""Step 7: what was not confirmed is sent again, by evidence and not by the clock alone.

A row is lost when the same queue has confirmed a batch that was stamped later, by a margin: queues are in order, near
enough. When nothing is being confirmed there is no evidence, and one probe, the oldest rows, goes out with doubling
delay: a replica that is down for a day is asked a handful of times and finds every change once when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from django.db.models import Q, QuerySet, Sum

from celery_cqrs import conf, signals
from celery_cqrs.backoff import MAX_DOUBLINGS, backoff_seconds
from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.database.patience import patiently
from celery_cqrs.models import Destination, Outbox


@dataclass(frozen=True)
class Policy:
    """How patient the master is, in seconds."""

    after_seconds: float
    max_seconds: float
    margin_seconds: float

    def delay_seconds(self, attempts: int) -> float:
        """How long a row that was sent ``attempts`` times waits for its confirmation: doubling, capped."""
        return backoff_seconds(self.after_seconds, attempts - 1, self.max_seconds)

    def last_doubling(self) -> int:
        """The number of attempts from which on the delay is the cap."""
        attempts = 1
        while attempts < MAX_DOUBLINGS and self.delay_seconds(attempts) < self.max_seconds:
            attempts += 1
        return attempts


@dataclass(frozen=True)
class Evidence:
    """What confirmations have told of one queue. ``confirmed_stamp`` is the newest stamp that one of them echoed."""

    confirmed_stamp: datetime | None = None
    confirmed_at: datetime | None = None
    probed_at: datetime | None = None
    probe_seconds: float | None = None


@dataclass(frozen=True)
class Overdue:
    """Rows sent ``attempts`` times (or more, if ``or_more``) before ``sent_before`` are to be sent again."""

    attempts: int
    or_more: bool
    sent_before: datetime


@dataclass(frozen=True)
class Plan:
    """What to send again: all ``overdue`` rows, or, if there are none, one batch sent before ``probe_before``."""

    overdue: tuple[Overdue, ...]
    probe_before: datetime | None
    next_probe_seconds: float


def plan(evidence: Evidence, policy: Policy, now: datetime) -> Plan:
    """The rule, as a pure function of what is known."""
    delay = evidence.probe_seconds or policy.after_seconds
    probe_before = now - timedelta(seconds=policy.after_seconds) if _may_probe(evidence, policy, now, delay) else None
    return Plan(tuple(_overdue(evidence, policy, now)), probe_before, min(policy.max_seconds, delay * 2))


def _overdue(evidence: Evidence, policy: Policy, now: datetime) -> Iterator[Overdue]:
    if evidence.confirmed_stamp is None:
        return
    proven = evidence.confirmed_stamp - timedelta(seconds=policy.margin_seconds)
    last = policy.last_doubling()
    for attempts in range(1, last + 1):
        waited = now - timedelta(seconds=policy.delay_seconds(attempts))
        yield Overdue(attempts, attempts == last, min(waited, proven))


def _may_probe(evidence: Evidence, policy: Policy, now: datetime, delay_seconds: float) -> bool:
    silent = _seconds_since(evidence.confirmed_at, now) >= policy.after_seconds
    return silent and _seconds_since(evidence.probed_at, now) >= delay_seconds


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return float("inf") if moment is None else (now - moment).total_seconds()


def policy() -> Policy:
    """The policy that the settings ask for."""
    master = conf.master
    return Policy(master.resend_after_seconds, master.resend_max_seconds, master.resend_margin_seconds)


def resend(using: str) -> int:
    """Make the rows that are to be sent again pending; the next drain sends them. Returns how many."""
    now = clock.now(using)
    patience = clock.for_field(now - timedelta(seconds=policy().after_seconds))
    late = Outbox.objects.using(using).filter(sent_at__lte=patience)
    queues = list(late.values_list("queue", flat=True).distinct())
    return sum(patiently(_resend_queue, using, queue, now) for queue in queues)


def _resend_queue(using: str, queue: str, now: datetime) -> int:
    Destination.objects.using(using).get_or_create(queue=queue)
    with write_transaction(using):
        destination = Destination.objects.using(using).select_for_update().get(queue=queue)
        todo = plan(_evidence(destination), policy(), now)
        count = _reopen(_late_rows(using, queue, todo.overdue))
        probe = not count and todo.probe_before is not None
        if probe:
            count = _reopen(_oldest_rows(using, queue, todo.probe_before))
            destination.probed_at, destination.probe_seconds = clock.for_field(now), todo.next_probe_seconds
            destination.save(update_fields=["probed_at", "probe_seconds"])
    if count:
        signals.resent.send_robust(Outbox, queue=queue, count=count, probe=probe, using=using)
    return count


def _evidence(destination: Destination) -> Evidence:
    return Evidence(
        clock.from_field(destination.confirmed_stamp),
        clock.from_field(destination.confirmed_at),
        clock.from_field(destination.probed_at),
        destination.probe_seconds,
    )


def _late_rows(using: str, queue: str, overdue: tuple[Overdue, ...]) -> QuerySet[Outbox]:
    chosen = Q(pk__in=[])
    for limit in overdue:
        attempts = Q(attempts__gte=limit.attempts) if limit.or_more else Q(attempts=limit.attempts)
        chosen |= attempts & Q(sent_at__lt=clock.for_field(limit.sent_before))
    return Outbox.objects.using(using).filter(chosen, queue=queue)


def _oldest_rows(using: str, queue: str, before: datetime | None) -> QuerySet[Outbox]:
    """About a batch of them, one bundle at least."""
    rows = Outbox.objects.using(using)
    oldest = rows.filter(queue=queue, sent_at__lte=before and clock.for_field(before)).order_by("sent_at", "id")
    sizes = list(oldest.values_list("id", "size")[: conf.master.batch_size])
    filled = accumulate((size for _, size in sizes), initial=0)
    return rows.filter(
        id__in=[row for (row, _), full in zip(sizes, filled, strict=False) if full < conf.master.batch_size]
    )


def _reopen(rows: QuerySet[Outbox]) -> int:
    """Returns how many changes they are."""
    changes: int = rows.aggregate(changes=Sum("size", default=0))["changes"]
    if changes:
        rows.update(sent_at=None)
    return changes
