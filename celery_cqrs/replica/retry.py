"""Letters are tried again when their time has come: woken by a Celery countdown when it is near, by beat otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from django.utils import timezone

from celery_cqrs import conf, signals, transport
from celery_cqrs.database import tables
from celery_cqrs.exceptions import MessageRefused, TransportError
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Outcome, Reason, Retry, Skipped
from celery_cqrs.replica import attempts, letters, resync
from celery_cqrs.replica.order import ordered_groups
from celery_cqrs.transport.base import RETRY, Envelope

NEAR_SECONDS = 20.0
LETTERS_AT_ONCE = 500

Ending = tuple[Message, Outcome]
Apply = Callable[..., list[Ending]]


def wake_up(endings: Sequence[Ending]) -> None:
    """Wake this service's own worker for the first retry that is near; losing that costs time and nothing else."""
    near = [outcome.after_seconds for _, outcome in endings if isinstance(outcome, Retry)]
    if not near or min(near) > NEAR_SECONDS:
        return
    wake(min(near))


def wake_now(apply: Apply, count: int) -> None:
    """Have ``count`` letters that are due tried: by a worker of this service, or here where there is no broker."""
    if not transport.current().synchronous:
        wake()
        return
    for _ in range(0, count, LETTERS_AT_ONCE):
        retry_due(apply)


def wake(countdown_seconds: float = 0) -> None:
    """Have a worker of this service look for due letters; losing that costs time and nothing else."""
    envelope = Envelope(RETRY, conf.service.queue, {"v": 1}, "letters", countdown_seconds=countdown_seconds)
    try:
        transport.current().send(envelope)
    except TransportError as error:
        signals.wake_up_failed.send_robust(Letter, error=error)


def retry_due(apply: Apply, limit: int = LETTERS_AT_ONCE) -> int:
    """Try up to ``limit`` letters that are due on each database, with ``apply``; returns how many were tried."""
    return sum(_retry_due_on(using, apply, limit) for using in tables.aliases(Letter))


def _retry_due_on(using: str, apply: Apply, limit: int) -> int:
    due = letters.claim_due(using, timezone.now(), limit)
    readable = [(letter, message) for letter in due if (message := _readable(using, letter)) is not None]
    waiting = {letters.key_of(message): letter for letter, message in readable}
    for cqrs_id, group in ordered_groups(message for _, message in readable):
        endings = _try(using, group, partial(apply, cqrs_id, fresh=False))
        _follow_up(using, waiting, endings)
        wake_up(endings)
    if len(due) == limit:  # there may be more: many are replayed at once, or a parent has come that many waited for
        wake()
    return len(due)


def _try(using: str, messages: Sequence[Message], apply: Callable[..., list[Ending]]) -> list[Ending]:
    """Apply them, counted, for one of them may kill this process; a person who retries it later has all tries again."""
    keyed = [(attempts.key_of_letter(message), message) for message in messages]
    endings = attempts.work_off(using, keyed, lambda some, doomed: apply(some, doomed=doomed))
    attempts.forget(using, [key for key, _ in keyed])
    return endings


def _follow_up(using: str, waiting: Mapping[tuple[str, str], Letter], endings: Sequence[Ending]) -> None:
    """A message that needs nothing any more does not wait; for one that is too old the master is asked."""
    skipped = [
        (waiting[letters.key_of(message)], message, outcome.reason)
        for message, outcome in endings
        if isinstance(outcome, Skipped)
    ]
    for letter, _, reason in skipped:
        if reason is not Reason.TOO_OLD:
            letters.forget(using, letter)
    resync.ask_for_letters(using, [(one, message) for one, message, reason in skipped if reason is Reason.TOO_OLD])


def _readable(using: str, letter: Letter) -> Message | None:
    try:
        return letters.to_message(letter)
    except MessageRefused as error:
        letters.bury(using, letter, str(error))
        signals.died.send_robust(Message, message=None, reason=str(error))
        return None
