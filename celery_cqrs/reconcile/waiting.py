"""A person waits for comparisons: how far they are, and when it is certain that nothing will come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from celery_cqrs import conf
from celery_cqrs.database import clock
from celery_cqrs.models import Outbox, Reconciliation
from celery_cqrs.reconcile import runs

LOOK_SECONDS = 0.1
NOBODY_HERE = (
    "No worker of this service took the order from queue {queue!r} in {seconds:g} s. "
    "Start one: celery -A <project> worker -Q {queue}"
)
NOBODY_THERE = (
    "Nothing was heard from {replica!r} in {seconds:g} s. Does a worker of it run, with a celery_cqrs that can "
    "compare, and one of this service (-Q {queue})? Nothing was deleted."
)

Begun = Sequence[tuple[str, Reconciliation]]
"""Runs, each with its database."""


def watch(begun: Begun, timeout_seconds: float) -> Iterator[list[Reconciliation]]:
    """The runs as they stand, again and again until all have ended; those are ended of which nothing comes any more."""
    alive = {run.pk: (time.monotonic(), "") for _, run in begun}
    while True:
        for using, run in begun:
            run.refresh_from_db(using=using)
            if run.active:
                alive[run.pk] = _alive(run, *alive[run.pk])
                if time.monotonic() - alive[run.pk][0] > timeout_seconds and not _is_at_work(using, run):
                    runs.end(using, run.pk, Reconciliation.NO_ANSWER, _note(run, timeout_seconds))
        yield [run for _, run in begun]
        if not any(run.active for _, run in begun):
            return
        time.sleep(LOOK_SECONDS)


def on_their_way(begun: Begun) -> int:
    """How many repairs of these runs the replicas have not confirmed yet."""
    return sum(_repairs(using, run) for using, run in begun if run.repaired)


def _repairs(using: str, run: Reconciliation) -> int:
    """Repairs have rows of their own, never a bundle."""
    wanted = {"kind": Outbox.SYNC, "queue": run.queue, "cqrs_id": run.cqrs_id}
    rows = Outbox.objects.using(using).filter(**wanted, captured_at__gte=run.started_at, captured_at__lte=run.ended_at)
    return int(rows.count())


def _alive(run: Reconciliation, since: float, before: str) -> tuple[float, str]:
    """When something was last seen to happen, and what it looked like then."""
    signs = repr((run.state, run.heard_at, run.fence, run.position, run.bytes_exchanged, run.repaired))
    return (since, before) if signs == before else (time.monotonic(), signs)


def _is_at_work(using: str, run: Reconciliation) -> bool:
    """Whether a worker holds the lease: a long look at a large table makes no sign."""
    until = clock.from_field(run.leased_until)
    return until is not None and until > clock.now(using)


def _note(run: Reconciliation, seconds: float) -> str:
    facts = {"queue": conf.service.queue, "replica": run.queue, "seconds": seconds}
    return (NOBODY_HERE if run.state == Reconciliation.REQUESTED else NOBODY_THERE).format(**facts)
