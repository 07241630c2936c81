"""Tells the master what is settled: gathered per process, sent after ``confirm_seconds`` or at ROWS_AT_ONCE rows."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence

from celery_cqrs import conf, signals, transport
from celery_cqrs.background import Background
from celery_cqrs.batch import Batch, Confirmation, Receipt
from celery_cqrs.exceptions import TransportError
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.transport.base import CONFIRM, Envelope

ROWS_AT_ONCE = 5_000
ROWS_KEPT = 100_000
IDLE_SECONDS = 60.0
AGAIN_SECONDS = 1.0

_guard = threading.Lock()
_gathered: dict[str, list[Receipt]] = {}


def confirm(batch: Batch, messages: Iterable[Message]) -> None:
    """Confirm the outbox rows of ``messages``, which came in ``batch`` and are settled."""
    confirm_ids(batch, tuple(row_id for message in messages for row_id in message.outbox_ids))


def confirm_ids(batch: Batch, outbox_ids: Sequence[int]) -> None:
    """Gather the confirmation of rows of ``batch``; it is sent soon, or at once when there are many."""
    if not outbox_ids:
        return
    _gather(batch, outbox_ids)


def answer_ping(batch: Batch) -> None:
    """Echo the stamp of a batch without messages."""
    _gather(batch, ())


def _gather(batch: Batch, outbox_ids: Sequence[int]) -> None:
    with _guard:
        _gathered.setdefault(batch.reply_to, []).append(Receipt(batch.outbox, batch.sent_at, tuple(outbox_ids)))
        count = _count()
    if transport.current().synchronous:
        flush()
    else:
        _thread.wake(0 if count >= ROWS_AT_ONCE else conf.replica.confirm_seconds)


def flush() -> float | None:
    """Send what is gathered, one task per master; returns the seconds until another try when the broker is away."""
    with _guard:
        taken = dict(_gathered)
        _gathered.clear()
    failed = [reply_to for reply_to, receipts in taken.items() if not _send(reply_to, receipts)]
    return AGAIN_SECONDS if failed else None


def finish() -> None:
    """Send what is gathered before this process ends."""
    _thread.finish()


def _send(reply_to: str, receipts: Sequence[Receipt]) -> bool:
    confirmation = Confirmation(conf.service.queue, tuple(_merged(receipts)))
    summary = f"{sum(len(receipt.outbox_ids) for receipt in receipts)} changes"
    try:
        transport.current().send(Envelope(CONFIRM, reply_to, confirmation.to_dict(), summary))
    except TransportError as error:
        signals.confirm_failed.send_robust(Letter, reply_to=reply_to, error=error)
        _put_back(reply_to, receipts)
        return False
    return True


def _merged(receipts: Iterable[Receipt]) -> list[Receipt]:
    """One receipt per database and stamp."""
    merged: dict[tuple[str, str], tuple[int, ...]] = {}
    for receipt in receipts:
        key = (receipt.outbox, receipt.sent_at)
        merged[key] = merged.get(key, ()) + receipt.outbox_ids
    return [Receipt(outbox, sent_at, ids) for (outbox, sent_at), ids in merged.items()]


def _put_back(reply_to: str, receipts: Sequence[Receipt]) -> None:
    """Keep them for the next flush; beyond a bound they are dropped, and the master sends those rows once more."""
    with _guard:
        if _count() < ROWS_KEPT:
            _gathered.setdefault(reply_to, []).extend(receipts)


def _count() -> int:
    return sum(len(receipt.outbox_ids) for receipts in _gathered.values() for receipt in receipts)


def _release() -> None:
    transport.current().release()


_thread = Background("celery_cqrs-confirm", flush, _release, IDLE_SECONDS)


def _forget() -> None:
    """In a forked child: what the parent has gathered, the parent tells."""
    global _guard
    _guard = threading.Lock()
    _gathered.clear()


os.register_at_fork(after_in_child=_forget)
