"""Step 6: every ending is a value and has its row, written where it was applied, before anything is confirmed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from django.db import DataError, router

from celery_cqrs import conf, signals
from celery_cqrs.border import result_or_error
from celery_cqrs.exceptions import MappingFailed, MessageRefused
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Kept, Outcome, Reason, Retry, Skipped, Waiting
from celery_cqrs.replica import keep, letters
from celery_cqrs.replica.parents import Missing
from celery_cqrs.replica.redact import without_values

QUOTED_VALUE = re.compile(r"""(entry |value:? |: )(?:'.*'|".*")( for |[")]*$)""")
"""Where databases quote what they refuse: MariaDB its duplicate entry or incorrect value, PostgreSQL its input."""

LONGEST_WAIT_SECONDS = 30 * 86_400
BRING_PARENT = "Have that row sent from its master (instance.cqrs_sync()), then retry this letter."
HOPELESS = (MessageRefused, MappingFailed, DataError)
"""Errors that the same message meets at every try."""


def failure(model: Any, message: Message, error: Exception, missing: Missing | None, now: datetime) -> Kept:
    """How a message that raised ``error`` goes on, by ``should_retry_cqrs`` and ``get_cqrs_retry_delay``.

    One whose parent is ``missing`` waits for it, for a time, and spends no attempt.
    """
    if missing is not None:
        return _wait(message, missing, now)
    reason = describe(error, message)
    if isinstance(error, HOPELESS):
        return Dead(reason)
    ending = result_or_error(_by_policy, model, message, error, reason)
    if isinstance(ending, Exception):
        return Dead(f"{reason} (and its retry hook: {describe(ending, message)})")
    return ending


def _wait(message: Message, missing: Missing, now: datetime) -> Waiting | Dead:
    seconds = min(conf.replica.parent_wait_seconds, LONGEST_WAIT_SECONDS)
    until = message.waits_until or now + timedelta(seconds=seconds)
    if now < until:
        return Waiting(missing.reason, missing.parent, until)
    return Dead(f"{missing.reason}, and was waited for in vain. {BRING_PARENT}")


def _by_policy(model: Any, message: Message, error: Exception, reason: str) -> Retry | Dead:
    if not model.should_retry_cqrs(message.retries, exception=error):
        return Dead(reason)
    wait = timedelta(seconds=model.get_cqrs_retry_delay(message.retries))  # refuses what is no number, nan and inf
    return Retry(reason, min(max(wait.total_seconds(), 0), LONGEST_WAIT_SECONDS))


def remembered_since(now: datetime) -> datetime:
    """What was sent before this moment might resurrect a row, since deletions are remembered for no longer."""
    return now - timedelta(seconds=conf.service.tombstone_seconds)


def write_rows(using: str, endings: Sequence[tuple[Message, Outcome]]) -> None:
    """Keep a letter for each failure, and take away the letters that these endings supersede."""
    done: list[tuple[Message, bool]] = []
    failures: list[tuple[Message, Kept]] = []
    for message, outcome in endings:
        match outcome:
            case Applied() | Skipped(supersedes=True):
                done.append((message, _is_beyond_sync(message, outcome)))
            case Skipped():
                pass
            case Retry() | Waiting() | Dead():
                failures.append((message, outcome))
            case _:
                assert_never(outcome)
    keep.keep_all(using, failures)
    letters.supersede(using, done)


def _is_beyond_sync(message: Message, outcome: Applied | Skipped) -> bool:
    """Whether also a SYNC at the revision of ``message`` is done with: the row is newer, or holds just what it says."""
    is_sync = message.signal_type is SignalType.SYNC
    return is_sync or isinstance(outcome, Applied) or outcome.reason is Reason.WRONG_ORDER


def announce(endings: Sequence[tuple[Message, Outcome]]) -> None:
    """Tell what happened, after the commit."""
    applied: dict[str, list[Message]] = {}
    for message, outcome in endings:
        match outcome:
            case Applied():
                applied.setdefault(message.cqrs_id, []).append(message)
            case Skipped(reason):
                signals.skipped.send_robust(Message, message=message, reason=reason)
            case Retry(reason, after_seconds):
                signals.retried.send_robust(Message, message=message, reason=reason, after_seconds=after_seconds)
            case Waiting(reason, until=until):
                signals.waiting.send_robust(Message, message=message, reason=reason, until=until)
            case Dead(reason):
                signals.died.send_robust(Message, message=message, reason=reason)
            case _:
                assert_never(outcome)
    for cqrs_id, messages in applied.items():
        announce_applied(cqrs_id, messages)


def announce_applied(cqrs_id: str, messages: Sequence[Message]) -> None:
    """Tell that ``messages``, of one id, are applied."""
    if messages:
        signals.applied.send_robust(Message, cqrs_id=cqrs_id, messages=messages)


def letters_alias() -> str:
    """Where letters without a replica table of their own are kept."""
    return router.db_for_write(Letter)


def describe(error: Exception, message: Message) -> str:
    """An error as one line for people, without the values of ``message`` and those that a database quotes."""
    whole = without_values(str(error).strip(), message)
    first_line = whole.splitlines()[0][:500] if whole else "no message"
    told = QUOTED_VALUE.sub(r"\1…\2", first_line)
    return f"{type(error).__name__}: {told}"
