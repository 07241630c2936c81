"""Batches and messages as they travel, made by hand, and what came back for them."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Outcome
from celery_cqrs.replica import receive, retry
from celery_cqrs.transport.base import CONFIRM
from celery_cqrs.transport.memory import MemoryTransport

MASTER = "atlas"
UPDATED = "2026-01-02T03:04:05.000006+00:00"


def message(cqrs_id: str, pk: Any, revision: int = 0, signal_type: str = "SAVE", **data: Any) -> dict[str, Any]:
    """A message whose ``data`` stand beside revision and time; its outbox row has the number ``row_of`` says."""
    return {
        "signal_type": signal_type,
        "cqrs_id": cqrs_id,
        "instance_pk": pk,
        "instance_data": {"id": pk, "cqrs_revision": revision, "cqrs_updated": UPDATED, **data},
        "outbox_ids": [row_of(pk, revision)],
    }


def row_of(pk: Any, revision: int) -> int:
    """The outbox row of a change: 1203 for key 12 at revision 3."""
    return pk * 100 + revision if isinstance(pk, int) else revision


def author(pk: int, revision: int = 0, signal_type: str = "SAVE", **data: Any) -> dict[str, Any]:
    """An author, complete."""
    return message(
        "author", pk, revision, signal_type, **{"name": f"name at {revision}", "born": None, "rival": None, **data}
    )


def product(sku: str, revision: int = 0, **data: Any) -> dict[str, Any]:
    """A product, whose key is a text."""
    return message("product", sku, revision, sku=sku, **{"title": "a thing", "price": "1.50", **data})


def recipe(pk: int, revision: int = 0, title: str = "soup", **keys: Any) -> dict[str, Any]:
    """A recipe, which misbehaves as its title says."""
    return {**message("recipe", pk, revision, title=title), "meta": {"who": "cook"}, **keys}


def deletion(cqrs_id: str, pk: Any, revision: int) -> dict[str, Any]:
    """The DELETE of a key."""
    return message(cqrs_id, pk, revision, "DELETE")


def batch(*messages: Any, **keys: Any) -> dict[str, Any]:
    """What one apply task carries, after its way through JSON."""
    envelope = {
        "v": 1,
        "reply_to": MASTER,
        "outbox": "default",
        "sent_at": timezone.now().isoformat(),
        "attempt": 1,
        "queue": None,
        "messages": list(messages),
    }
    payload: dict[str, Any] = json.loads(json.dumps({**envelope, **keys}))
    return payload


def deliver(*messages: Any, **keys: Any) -> list[Outcome]:
    """Have a batch of ``messages`` received; returns how they ended, grouped by model."""
    return [outcome for _, outcome in receive.receive(batch(*messages, **keys))]


def retry_now() -> int:
    """Let the time of every letter that is not dead come, and try them; returns how many were tried."""
    tried_again = Letter.objects.filter(state__in=[Letter.RETRYING, Letter.WAITING])
    tried_again.update(state=Letter.RETRYING, not_before=timezone.now())
    return retry.retry_due(receive.apply_to_model)


def confirmations() -> list[dict[str, Any]]:
    """The receipts that were sent to the master."""
    sent = [envelope for envelope in MemoryTransport.queues[MASTER] if envelope.task == CONFIRM]
    return [receipt for envelope in sent for receipt in envelope.payload["batches"]]


def confirmed() -> list[int]:
    """The outbox rows that were confirmed to the master, in order."""
    return sorted(row_id for receipt in confirmations() for row_id in receipt["outbox_ids"])
