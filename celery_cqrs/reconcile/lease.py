"""Who drives a run: one worker at a time, for a while. One that died is followed by another; one that was too slow
finds its fence gone and stops.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, Q

from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile.digest import KEY

LEASE_SECONDS = 60
SCAN_SECONDS = 600
"""Where positions are hashes the whole table is read before anything else can be done."""


def take(using: str, run_id: int) -> int | None:
    """Become the driver of an active run; returns the fence that proves it, None while somebody else is."""
    now = clock.now(using)
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=clock.for_field(now))
    runs = Reconciliation.objects.using(using).filter(pk=run_id, active=True)
    with write_transaction(using):
        if not runs.filter(free).update(fence=F("fence") + 1, leased_until=_until(using, LEASE_SECONDS)):
            return None
        return runs.values_list("fence", flat=True).first()


def keep(using: str, run_id: int, fence: int, scheme: str = KEY) -> bool:
    """Prolong the lease; False when it is another's by now, or the run has ended."""
    seconds = LEASE_SECONDS if scheme == KEY else SCAN_SECONDS
    return bool(_mine(using, run_id, fence).update(leased_until=_until(using, seconds)))


def release(using: str, run_id: int, fence: int) -> None:
    """Let anybody else go on."""
    _mine(using, run_id, fence).update(leased_until=None)


def _mine(using: str, run_id: int, fence: int) -> Any:
    return Reconciliation.objects.using(using).filter(pk=run_id, active=True, fence=fence)


def _until(using: str, seconds: float) -> Any:
    return clock.for_field(clock.now(using) + timedelta(seconds=seconds))
