"""Step 3: claim, serialize, group by queue, cut into batches, send. Whoever drains calls this one function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Any, NamedTuple

from celery_cqrs import conf, signals, transport
from celery_cqrs.batch import Batch, Texts, summarize
from celery_cqrs.exceptions import BatchRefused, BrokerTooSlow, BrokerUnavailable, QueueRests
from celery_cqrs.master import breaker, claim, outbox, portion
from celery_cqrs.master.claimed import Claimed, Row
from celery_cqrs.master.contact import note_failure
from celery_cqrs.master.prepare import Preparation, Prepared, prepare, row_ids
from celery_cqrs.models import Outbox
from celery_cqrs.transport.base import APPLY, Envelope

QUEUES_AT_ONCE = 8


@dataclass(frozen=True)
class Parcel:
    """One batch on its way to ``queue``, with the messages that it was cut from."""

    queue: str
    direct: bool
    messages: tuple[Prepared, ...]

    @property
    def rows(self) -> list[Row]:
        """The outbox rows that this parcel carries."""
        return [row for prepared in self.messages for row in prepared.rows]

    @property
    def summary(self) -> str:
        """What is in it, without keys or values."""
        return summarize(prepared.rows[-1].cqrs_id for prepared in self.messages)


class Drained(NamedTuple):
    """How many rows were claimed, and whether more may be pending."""

    rows: int = 0
    may_be_more: bool = False


def drain(
    using: str, limit: int | None = None, older_than_seconds: float = 0, queues: Collection[str] | None = None
) -> Drained:
    """Publish about ``limit`` rows of ``using`` that have been pending for so long.

    By default that fills a batch for every replica queue, since a change has a row for each; ``queues`` are the only
    ones published for, None for all. Changes go first; SYNCs are claimed when these are with the broker.
    A broker that is down costs one bounded attempt, then none for ``breaker_seconds``; what was not sent stays pending.
    """
    if breaker.rest_seconds():
        return Drained()
    fill = limit or _fill()
    changes = claim.claim_changes(using, fill, older_than_seconds, queues)
    _publish(using, changes)
    if breaker.rest_seconds():
        return Drained(len(changes))
    room = fill - sum(row.size for row in changes)
    syncs = claim.claim_syncs(using, room, older_than_seconds, queues)
    _publish(using, syncs)
    has_bundles = any(row.is_bundle for row in changes)
    return Drained(len(changes) + len(syncs), may_be_more=room <= 0 or has_bundles or bool(syncs))


def _publish(using: str, rows: Sequence[Claimed]) -> None:
    if not rows:
        return
    stamp = outbox.stamp_of(rows)
    done = False
    try:
        prepared = prepare(using, rows, stamp)
        _settle_unsent(using, prepared)
        _send_all(using, stamp, cut(prepared.messages))
        done = True
    finally:
        if not done:  # whatever went wrong, nothing stays marked as sent that was not
            outbox.give_back(using, rows, later_seconds=conf.master.breaker_seconds)


def _fill() -> int:
    return conf.master.batch_size * min(QUEUES_AT_ONCE, max(1, len(conf.master.replicas)))


def drain_all(
    using: str, *, may_go_on: Callable[[], bool] = lambda: True, limit: float = inf, older_than_seconds: float = 0
) -> int:
    """Drain until nothing is pending, the broker fails, or ``limit`` or ``may_go_on`` says stop; returns the rows."""
    total, drained = 0, Drained(may_be_more=True)
    while drained.may_be_more and total < limit and may_go_on():
        drained = drain(using, older_than_seconds=older_than_seconds)
        total += drained.rows
    return total


def cut(messages: Sequence[Prepared]) -> Iterator[Parcel]:
    """Messages in order → parcels of at most ``batch_size`` messages and about ``batch_bytes`` bytes, per queue."""
    grouped: dict[tuple[str, bool], list[Prepared]] = defaultdict(list)
    for prepared in portion.suspects_last(messages, lambda one: row_ids(one.rows)):
        grouped[prepared.queue, prepared.direct].append(prepared)
    for (queue, direct), group in grouped.items():
        yield from (Parcel(queue, direct, tuple(part)) for part in _parts(group))


def _parts(messages: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    most, most_bytes = portion.of(conf.master.batch_size), portion.of(conf.master.batch_bytes)
    if len(messages) <= most and _length_at_most("".join([prepared.text for prepared in messages])) <= most_bytes:
        yield messages
        return
    lengths = [_length(prepared.text) for prepared in messages]
    start = 0
    while start < len(messages):
        end = _end(lengths, start, most, most_bytes)
        yield messages[start:end]
        start = end


def _length_at_most(text: str) -> int:
    """As ``_length``, or more, in no time: of a character, each byte after the first is escaped by five at most."""
    return len(text) + 5 * (len(text.encode()) - len(text)) + 2 * text.count('":')


def _length(text: str) -> int:
    """Bytes of JSON, about: with blanks, and escapes for what is not ASCII, as whoever signs writes it."""
    escaped = len(text) if text.isascii() else len(text.encode("ascii", "backslashreplace"))
    return escaped + 2 * text.count('":')


def _end(lengths: Sequence[int], start: int, most: int, most_bytes: int) -> int:
    """Where a part ends that starts at ``start``: it has one message at least."""
    size, end = lengths[start], start + 1
    while end < len(lengths) and end - start < most and size + lengths[end] <= most_bytes:
        size += lengths[end]
        end += 1
    return end


def _settle_unsent(using: str, prepared: Preparation) -> None:
    outbox.drop(using, prepared.needless)
    outbox.give_back(using, prepared.held)
    if prepared.failed:
        _set_aside(using, prepared.failed)


def _set_aside(using: str, failed: Sequence[tuple[Sequence[Row], str]]) -> None:
    outbox.set_aside(using, failed)
    for rows, error in failed:
        newest = rows[-1]
        facts: dict[str, Any] = {"cqrs_id": newest.cqrs_id, "pk": newest.pk_text, "revision": newest.revision}
        facts |= {"correlation_id": newest.correlation_id, "row_ids": row_ids(rows)}
        signals.set_aside.send_robust(Outbox, error=error, using=using, **facts)


def _send_all(using: str, stamp: datetime, parcels: Iterator[Parcel]) -> None:
    """Send in order; when the broker is away all that is left is given back, since all queues share that broker."""
    for parcel in parcels:
        try:
            _send(using, stamp, parcel)
        except BrokerUnavailable as error:
            breaker.trip()
            signals.publish_failed.send_robust(Outbox, queue=parcel.queue, error=error)
            if isinstance(error, BrokerTooSlow):
                _send_less(using, parcel, error)
            unsent = [row for left in (parcel, *parcels) for row in left.rows]
            outbox.give_back(using, unsent)
            note_failure(using, {row.queue for row in unsent}, error)


def _send_less(using: str, parcel: Parcel, error: BrokerTooSlow) -> None:
    """Next time smaller batches. A single message lets others go first, and is set aside if it alone fails again."""
    portion.note_too_slow()
    if len(parcel.messages) > 1:
        return
    ids = row_ids(parcel.rows)
    if portion.is_culprit(ids):
        _set_aside(using, [(parcel.rows, str(error))])
    portion.note_suspect(ids)


def _send(using: str, stamp: datetime, parcel: Parcel) -> None:
    batch = _batch(using, stamp, parcel)
    try:
        transport.current().send(Envelope.written(APPLY, parcel.queue, batch.to_text(), parcel.summary))
    except QueueRests as error:
        outbox.rest_queue(using, parcel.queue, str(error))
        outbox.give_back(using, parcel.rows)
        signals.publish_failed.send_robust(Outbox, queue=parcel.queue, error=error)
    except BatchRefused as error:
        _send_smaller(using, stamp, parcel, error)
    else:
        portion.note_passed()
        signals.published.send_robust(Outbox, queue=parcel.queue, batch=batch)


def _send_smaller(using: str, stamp: datetime, parcel: Parcel, error: BatchRefused) -> None:
    """A refused batch is halved until the message that the broker will not take stands alone and is set aside."""
    if len(parcel.messages) == 1:
        _set_aside(using, [(parcel.rows, str(error))])
        return
    middle = len(parcel.messages) // 2
    for half in (parcel.messages[:middle], parcel.messages[middle:]):
        _send(using, stamp, replace(parcel, messages=half))


def _batch(using: str, stamp: datetime, parcel: Parcel) -> Batch:
    return Batch(
        reply_to=conf.service.queue,
        outbox=using,
        sent_at=stamp.isoformat(),
        messages=Texts([prepared.text for prepared in parcel.messages]),
        attempt=max(row.attempts for row in parcel.rows),
        queue=parcel.queue if parcel.direct else None,
    )
