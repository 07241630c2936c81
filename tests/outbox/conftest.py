"""Outbox rows made by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from celery_cqrs.models import Outbox


def put(pk: Any = 1, *, queue: str = "shop", seconds: float = -1, **values: Any) -> Outbox:
    """A pending row of key ``pk``, available since (or in) so many seconds."""
    moment = timezone.now() + timedelta(seconds=seconds)
    facts = {"cqrs_id": "author", "signal_type": "SAVE", "captured_at": moment, "available_at": moment, **values}
    return Outbox.objects.create(pk_text=str(pk), queue=queue, **facts)


def ids(rows: Any) -> list[int]:
    """The ids of ``rows``, in their order."""
    return [row.id for row in rows]


def pending() -> list[int]:
    """The ids of the rows that are pending."""
    return list(Outbox.objects.filter(sent_at=None).order_by("id").values_list("id", flat=True))
