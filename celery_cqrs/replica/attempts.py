"""Messages that may have killed their worker are counted before any work, so that a deadly one is found and put aside.

First deliveries pay nothing: only what was redelivered, sent for the third time, or kept in a letter is counted, each
message in a row of its own that is committed before anything else happens. What was never left unended goes together;
what was goes alone in its process, so that the next kill names its culprit; what has killed three times is not tried.

A copy that another worker has at hand looks like a kill until it ends. So the last to start gives a sign of life, and
while there is one, a message that would be put aside is left to it: not confirmed, and sent again by the master.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import Error, transaction
from django.db.models import F
from django.utils import timezone

from celery_cqrs.batch import Batch
from celery_cqrs.database import alive
from celery_cqrs.database.patience import patiently
from celery_cqrs.message import Message
from celery_cqrs.models import Attempt
from celery_cqrs.replica.company import company

T = TypeVar("T")
Keyed = tuple[str, Message]

SUSPECT_ATTEMPT = 3
DEADLY_KILLS = 3
KEPT_SECONDS = 86_400
LONGEST_WORK_SECONDS = 3_600
REASON = "It killed the worker three times. Find out why before you retry it."

_ended: set[tuple[str, str]] = set()
"""Database and key of starts that have ended and whose rows are still there."""


def is_suspect(batch: Batch, redelivered: bool) -> bool:
    """Whether ``batch`` may have killed a worker before."""
    return redelivered or batch.attempt >= SUSPECT_ATTEMPT


def key_of(batch: Batch, message: Message) -> str:
    """``message`` by what it settles, however often, and in whatever batch, it is sent."""
    return _digest(batch.reply_to, batch.outbox, message.outbox_ids, *_named(message))


def key_of_letter(message: Message) -> str:
    """``message`` as it is kept in a letter."""
    return _digest("letter", message.revision, *_named(message))


def work_off(
    using: str,
    keyed: Sequence[Keyed],
    work: Callable[[list[Message], bool], list[T]],
    *,
    uncounted_kills: int = 0,
    holder: int | None = None,
) -> list[T]:
    """Have ``work`` take every message, counted on ``using``; returns all that it returned.

    Its second argument is true for a message that has killed DEADLY_KILLS times, ``uncounted_kills`` among them.
    ``holder`` is this process's sign of life.
    """
    known = patiently(unended, using, [key for key, _ in keyed])
    try:
        with company.together():
            results = _counted(using, [one for one in keyed if one[0] not in known], work, holder)
        for key, message in keyed:
            if key in known and known[key].starts + uncounted_kills < DEADLY_KILLS:
                with company.alone():
                    results += _counted(using, [(key, message)], work, holder)
            elif key in known and not _is_at_work(using, known[key]):
                results += work([message], True)
    finally:
        _forget_ended()
    return results


def unended(using: str, keys: Collection[str]) -> dict[str, Attempt]:
    """The starts of each key that have not ended; keys without any are left out."""
    _forget_ended()
    return {one.key: one for one in Attempt.objects.using(using).filter(key__in=keys, starts__gt=0)}


def _is_at_work(using: str, last: Attempt) -> bool:
    """A pooler between us and the database may keep a sign of life for ever; nobody works for so long."""
    is_young = last.started_at > timezone.now() - timedelta(seconds=LONGEST_WORK_SECONDS)
    return is_young and alive.is_alive(using, last.holder)


def note_starts(using: str, keys: Collection[str], holder: int | None = None) -> None:
    """Count a start of each of ``keys`` and take away what has ended, both committed at once."""
    moment = timezone.now()
    rows = [Attempt(key=key, starts=0, started_at=moment) for key in sorted(keys)]
    ended = _ended_on(using)
    with transaction.atomic(using=using):
        Attempt.objects.using(using).filter(key__in=ended).delete()
        Attempt.objects.using(using).bulk_create(rows, ignore_conflicts=True)
        Attempt.objects.using(using).filter(key__in=keys).update(
            starts=F("starts") + 1, started_at=moment, holder=holder
        )
    _ended.difference_update((using, key) for key in ended)


def forget(using: str, keys: Collection[str]) -> None:
    """Take the counts of ``keys`` away, later if the database is not there."""
    _ended.update((using, key) for key in keys)
    _forget_ended()


def prune(using: str) -> int:
    """Forget counts that are older than a day; returns how many."""
    oldest = timezone.now() - timedelta(seconds=KEPT_SECONDS)
    return Attempt.objects.using(using).filter(started_at__lt=oldest).delete()[0]


def _counted(
    using: str, keyed: Sequence[Keyed], work: Callable[[list[Message], bool], list[T]], holder: int | None
) -> list[T]:
    """Their count stays only if this process dies of them; what has ended goes together with the next count."""
    if not keyed:
        return []
    note_starts(using, [key for key, _ in keyed], holder)
    try:
        return work([message for _, message in keyed], False)
    finally:
        _ended.update((using, key) for key, _ in keyed)


def _ended_on(using: str) -> list[str]:
    return [key for alias, key in tuple(_ended) if alias == using]


def _forget_ended() -> None:
    for using in {alias for alias, _ in tuple(_ended)}:
        keys = _ended_on(using)
        try:
            Attempt.objects.using(using).filter(key__in=keys).delete()
        except Error:
            continue
        _ended.difference_update((using, key) for key in keys)


def _named(message: Message) -> tuple[str, ...]:
    return (str(message.signal_type), message.cqrs_id, str(message.instance_pk))


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()
