"""The guard: a replica row's revision never decreases and a deleted row is never resurrected. ``judge`` is pure."""

from __future__ import annotations

from celery_cqrs import signals
from celery_cqrs.message import Message, SignalType
from celery_cqrs.outcome import Reason, Skipped

ABSENT = -1


def judge(message: Message, row_revision: int | None, tombstone: int | None) -> Skipped | None:
    """Why ``message`` must not be applied over ``row_revision`` and ``tombstone``, or None; both are None if absent.

    A SYNC repairs content, so it may equal both; a DELETE takes a row at its own revision too, since a row that leaves
    the filter is deleted at the revision it has.
    """
    row = ABSENT if row_revision is None else row_revision
    grave = ABSENT if tombstone is None else tombstone
    if message.signal_type is SignalType.DELETE:
        return _judge_delete(message.revision, row, grave)
    if grave > message.revision or (grave == message.revision and message.signal_type is SignalType.SAVE):
        return Skipped(Reason.DELETED)
    return _judge_write(message, row)


def _judge_delete(revision: int, row: int, grave: int) -> Skipped | None:
    if row > revision:
        return Skipped(Reason.WRONG_ORDER)
    return Skipped(Reason.DUPLICATE) if row == ABSENT and grave >= revision else None


def _judge_write(message: Message, row: int) -> Skipped | None:
    if row > message.revision:
        return Skipped(Reason.WRONG_ORDER)
    if row == message.revision and message.signal_type is SignalType.SAVE:
        return Skipped(Reason.DUPLICATE)
    return None


def missing_revisions(message: Message, row_revision: int | None) -> int:
    """How many revisions lie between the row and ``message``: lost, filtered out or coalesced on the way."""
    if row_revision is None or message.signal_type is not SignalType.SAVE:
        return 0
    return max(0, message.revision - row_revision - 1)


def announce_gap(message: Message, row_revision: int | None) -> None:
    """Tell that revisions are missing between the row and ``message``, which has been applied."""
    count = missing_revisions(message, row_revision)
    if count:
        signals.gap_found.send_robust(Message, message=message, count=count)
