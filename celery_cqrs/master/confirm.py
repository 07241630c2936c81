"""A replica's confirmation arrives: its outbox rows are done and go, its newest stamp is the evidence for resending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import DateTimeField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Greatest

from celery_cqrs import signals
from celery_cqrs.batch import Confirmation, Receipt
from celery_cqrs.columns import clean_key
from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.database.patience import patiently
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master import outbox
from celery_cqrs.models import Destination, Outbox
from celery_cqrs.registry import NAME_LENGTH


def confirm(payload: Any) -> int:
    """Delete the outbox rows that ``payload`` (a Confirmation on the wire) names; returns how many there still were.

    May run twice and out of order: rows that are gone stay gone, and the evidence only grows. Waits for a database that
    is away or in a deadlock. Raises MessageRefused.
    """
    confirmation = Confirmation.from_message(payload)
    for receipt in confirmation.batches:
        if receipt.outbox not in connections:
            raise MessageRefused(problem=f"it confirms rows of database {receipt.outbox!r}, which is not in DATABASES.")
    if clean_key(confirmation.queue, NAME_LENGTH) != confirmation.queue:
        raise MessageRefused(problem=f"it confirms for {confirmation.queue[:NAME_LENGTH]!r}, which names no queue.")
    by_outbox: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in confirmation.batches:
        by_outbox[receipt.outbox].append(receipt)
    return sum(patiently(_confirm_on, using, confirmation.queue, some) for using, some in by_outbox.items())


def _confirm_on(using: str, queue: str, receipts: Sequence[Receipt]) -> int:
    with write_transaction(using):
        _note_evidence(using, queue, max(receipt.stamp for receipt in receipts))  # first, as resend does, or both wait
        counts = [outbox.confirm(using, queue, receipt.outbox_ids, receipt.stamp) for receipt in receipts]
    for receipt, count in zip(receipts, counts, strict=True):
        facts = {"queue": queue, "count": count, "outbox_ids": receipt.outbox_ids, "using": using}
        signals.confirmed.send_robust(Outbox, **facts)
    return sum(counts)


def _note_evidence(using: str, queue: str, newest: datetime) -> None:
    """The replica lives, so probing starts anew; and the newest stamp only ever rises, also when two of us run."""
    stamp = Value(clock.for_field(newest), DateTimeField())
    known = Destination.objects.using(using).filter(queue=queue)
    evidence: dict[str, Any] = {
        "confirmed_at": RawSQL(clock.now_sql(connections[using]), ()),
        "confirmed_stamp": Greatest(Coalesce("confirmed_stamp", stamp), stamp),
        "probe_seconds": None,
        "rests_until": None,
    }
    if not known.update(**evidence):
        Destination.objects.using(using).get_or_create(queue=queue)
        known.update(**evidence)
