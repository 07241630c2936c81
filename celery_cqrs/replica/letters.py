"""Letters: rows for messages that failed, from the failure (``keep.py``) to the end. One per queue, id and key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.utils import timezone

from celery_cqrs import conf, decode
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock
from celery_cqrs.database.keys import among
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter
from celery_cqrs.registry import NAME_LENGTH

LEASE_SECONDS = 60
ASK_AGAIN_SECONDS = 3_600
TRIED = (Letter.RETRYING, Letter.ASKED)
NOT_WAITING: dict[str, Any] = {"parent": "", "parent_key": "", "waits_until": None}


def bury(using: str, letter: Letter, reason: str) -> None:
    """Make ``letter`` a dead one."""
    dead = {"state": Letter.DEAD, "reason": clean_key(reason, ERROR_LENGTH), "not_before": None, **NOT_WAITING}
    _unchanged(using, letter).update(**dead, updated_at=timezone.now())


def note_asked(using: str, asked: Sequence[Letter]) -> None:
    """Have ``asked`` letters wait for the master's answer, which takes them away, or for the next question."""
    again = timezone.now() + timedelta(seconds=ASK_AGAIN_SECONDS)
    for letter in asked:
        questions = letter.attempts + 1 if letter.state == Letter.ASKED else 1
        _unchanged(using, letter).update(state=Letter.ASKED, attempts=questions, not_before=again, **NOT_WAITING)


def supersede(using: str, messages: Sequence[tuple[Message, bool]]) -> None:
    """Take away the letters that are not newer than ``messages``.

    True: also the letter of a SYNC at the message's revision is done with; a mere duplicate of the SAVE leaves it.
    """
    if not messages or not of_queue(using).exists():
        return
    keyed: dict[tuple[str, str], int] = {}
    for message, with_sync in messages:
        key = key_of(message)
        keyed[key] = max(rank(message.revision, with_sync), keyed.get(key, 0))
    waiting = of_queue(using).filter(cqrs_id__in={key[0] for key in keyed})
    waiting = among(waiting, "pk_text", {key[1] for key in keyed}).only(
        "id", "cqrs_id", "pk_text", "revision", "signal_type"
    )
    done = [one.id for one in waiting if _is_superseded(one, keyed)]
    if done:
        Letter.objects.using(using).filter(id__in=done).delete()


def keys_among(using: str, cqrs_id: str, pks: Iterable[Any]) -> set[str]:
    """Those of ``pks``, as letters hold them, that have a letter of ``cqrs_id``."""
    rows = of_queue(using).filter(cqrs_id=clean_key(cqrs_id, NAME_LENGTH))
    return set(among(rows, "pk_text", map(clean_key, pks)).values_list("pk_text", flat=True))


def claim_due(using: str, now: datetime, limit: int) -> list[Letter]:
    """Up to ``limit`` due letters, leased for LEASE_SECONDS, so that two workers do not try the same ones."""
    skips = connections[using].features.has_select_for_update_skip_locked
    due = of_queue(using).filter(state__in=TRIED, not_before__lte=now).order_by("not_before", "id")
    if not due.exists():
        return []
    with write_transaction(using):
        claimed = list(due.select_for_update(skip_locked=skips)[:limit])
        lease = now + timedelta(seconds=LEASE_SECONDS)
        Letter.objects.using(using).filter(id__in=[one.id for one in claimed]).update(not_before=lease)
    return claimed


def forget(using: str, letter: Letter) -> None:
    """Delete ``letter``, whose message needs nothing any more, unless another message has taken its place meanwhile."""
    _unchanged(using, letter).delete()


def key_of(message: Message) -> tuple[str, str]:
    """CQRS_ID and key of ``message`` as letters hold them."""
    return clean_key(message.cqrs_id, NAME_LENGTH), clean_key(message.instance_pk)


def to_message(letter: Letter) -> Message:
    """The message that ``letter`` keeps. Raises MessageRefused."""
    wire = letter.payload if isinstance(letter.payload, dict) else {}
    named = {name: decode.optional(wire, name, str) for name in ("queue", "reply_to", "outbox")}
    sent_at = decode.moment(wire, "sent_at") or clock.from_field(letter.created_at)
    tries = 0 if letter.state == Letter.ASKED else letter.attempts
    waits_until = clock.from_field(letter.waits_until)
    return replace(Message.from_message(wire, **named, sent_at=sent_at), retries=tries, waits_until=waits_until)


def prune(using: str, portion: int = 1_000) -> int:
    """Delete the dead letters older than ``dead_message_ttl``, ``portion`` in a transaction; returns how many."""
    ttl = conf.replica.dead_message_ttl
    if ttl is None:
        return 0
    dead = Letter.objects.using(using).filter(state=Letter.DEAD, updated_at__lt=timezone.now() - timedelta(seconds=ttl))
    total = 0
    while ids := list(dead.values_list("id", flat=True)[:portion]):
        total += dead.filter(id__in=ids).delete()[0]
    return total


def of_queue(using: str) -> Any:
    """The letters of this service."""
    return Letter.objects.using(using).filter(queue=conf.service.queue)


def _unchanged(using: str, letter: Letter) -> Any:
    """``letter`` in its table, unless another message has taken its place since it was read."""
    return Letter.objects.using(using).filter(
        pk=letter.pk, revision=letter.revision, signal_type=letter.signal_type, updated_at=letter.updated_at
    )


def _is_superseded(letter: Letter, keyed: dict[tuple[str, str], int]) -> bool:
    newest = keyed.get((letter.cqrs_id, letter.pk_text))
    return newest is not None and rank(letter.revision, letter.signal_type == SignalType.SYNC) <= newest


def rank(revision: int, is_more: bool) -> int:
    """Orders messages of a key; ``is_more`` puts a SYNC above the SAVE of its revision."""
    return 2 * revision + is_more
