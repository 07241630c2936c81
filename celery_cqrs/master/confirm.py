"""A replica's confirmation arrives: its outbox rows are done and go, its newest stamp is the evidence for resending."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import Q

from celery_cqrs import signals
from celery_cqrs.batch import Confirmation, Receipt
from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.database.patience import patiently
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master import outbox
from celery_cqrs.models import Destination, Outbox


def confirm(payload: Any) -> int:
    """Delete the outbox rows that ``payload`` (a Confirmation on the wire) names; returns how many there still were.

    May run twice and out of order: rows that are gone stay gone, and the evidence only grows. Waits for a database that
    is away or in a deadlock. Raises MessageRefused.
    """
    confirmation = Confirmation.from_message(payload)
    for receipt in confirmation.batches:
        if receipt.outbox not in connections:
            raise MessageRefused(problem=f"it confirms rows of database {receipt.outbox!r}, which is not in DATABASES.")
    return sum(patiently(_confirm_batch, confirmation.queue, receipt) for receipt in confirmation.batches)


def _confirm_batch(queue: str, receipt: Receipt) -> int:
    with write_transaction(receipt.outbox):
        count = outbox.confirm(receipt.outbox, queue, receipt.outbox_ids, receipt.stamp)
        _note_evidence(queue, receipt)
    facts = {"queue": queue, "count": count, "outbox_ids": receipt.outbox_ids, "using": receipt.outbox}
    signals.confirmed.send_robust(Outbox, **facts)
    return count


def _note_evidence(queue: str, receipt: Receipt) -> None:
    """The replica lives, so probing starts anew; and the newest stamp only ever rises, also when two of us run."""
    using = receipt.outbox
    moment = clock.for_field(clock.now(using))
    Destination.objects.using(using).get_or_create(queue=queue)
    known = Destination.objects.using(using).filter(queue=queue)
    known.update(confirmed_at=moment, probe_seconds=None, rests_until=None)
    stamp = clock.for_field(receipt.stamp)
    known.filter(Q(confirmed_stamp__isnull=True) | Q(confirmed_stamp__lt=stamp)).update(confirmed_stamp=stamp)
