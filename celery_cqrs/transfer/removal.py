"""Rows of a replica that should not be there are deleted, by the way that every DELETE takes: hooks, guard, tombstone.

A pipe tells keys and no revisions. So a row is deleted at the revision that it has, or that its letter would bring,
unless that was captured after the keys were read: then its key has begun a new life, and nothing is known about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.timezone import is_aware, make_aware

from celery_cqrs.columns import clean_key
from celery_cqrs.database.keys import among
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Skipped
from celery_cqrs.registry import NAME_LENGTH
from celery_cqrs.replica import letters
from celery_cqrs.replica.receive import apply_to_model
from celery_cqrs.serialize import Plain, key_text, key_value
from celery_cqrs.transfer.choice import rows_of
from celery_cqrs.transfer.differences import know

KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class Removed:
    """What came of some keys: ``deleted`` rows; rows that have ``changed`` since the keys were read, or in this very
    moment; those that ``failed``, each with the reason, and are letters now; ``strange`` ones are none of the model's.
    """

    deleted: list[Plain]
    changed: list[Plain]
    failed: list[tuple[Plain, str]]
    strange: list[Plain]


@dataclass(frozen=True)
class Seen:
    """A row as it is here: its revision, and when the change that gave it was captured."""

    revision: int
    captured_at: datetime


def remove(model: Any, keys: Sequence[Plain], read_at: datetime) -> Iterator[Removed]:
    """Delete the rows of a replica ``model`` with one of ``keys``, which were read at ``read_at`` and not wanted then.

    A few hundred in a transaction; says what came of each few hundred. Raises infrastructure faults alone.
    """
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield _remove(model, keys[start : start + KEYS_AT_ONCE], read_at)


def _remove(model: Any, keys: Sequence[Plain], read_at: datetime) -> Removed:
    known = know(model, keys)
    seen = _look(model, known.by_text)
    old = {text: one for text, one in seen.items() if one.captured_at <= read_at}
    changed = [known.by_text[text] for text in seen if text not in old]
    removed = Removed(deleted=[], changed=changed, failed=[], strange=known.strange)
    messages = [_deletion(model, known.by_text[text], one) for text, one in old.items()]
    for message, outcome in apply_to_model(model.CQRS_ID, messages, fresh=False) if messages else []:
        match outcome:
            case Applied():
                removed.deleted.append(message.instance_pk)
            case Skipped():
                removed.changed.append(message.instance_pk)
            case _:
                removed.failed.append((message.instance_pk, outcome.reason))
    return removed


def _look(model: Any, keys: dict[str, Plain]) -> dict[str, Seen]:
    """The rows that are here, or as newer letters would make them, which are tried again and would bring them back."""
    rows = among(rows_of(model), "pk", [key_value(model, text) for text in keys])
    columns = rows.values_list("pk", "cqrs_revision", "cqrs_updated")
    seen = {key_text(model, pk): Seen(revision, _aware(moment)) for pk, revision, moment in columns}
    waiting = _waiting(model, rows.db, keys.values())
    newest = {text: waiting.get(clean_key(keys[text]), one) for text, one in seen.items()}
    return {text: max(one, newest[text], key=lambda state: state.revision) for text, one in seen.items()}


def _waiting(model: Any, using: str, keys: Iterable[Plain]) -> dict[str, Seen]:
    """The letters of ``keys``, by the text under which letters know them."""
    named = letters.of_queue(using).filter(cqrs_id=clean_key(model.CQRS_ID, NAME_LENGTH))
    found = among(named, "pk_text", {clean_key(key) for key in keys})
    return {letter.pk_text: Seen(letter.revision, _captured_at(letter)) for letter in found}


def _captured_at(letter: Letter) -> datetime:
    try:
        return letters.to_message(letter).captured_at or _aware(letter.created_at)
    except MessageRefused:
        return _aware(letter.created_at)


def _deletion(model: Any, key: Plain, seen: Seen) -> Message:
    data = {"id": key, "cqrs_revision": seen.revision, "cqrs_updated": seen.captured_at.isoformat()}
    return Message(SignalType.DELETE, model.CQRS_ID, data, key)


def _aware(moment: datetime) -> datetime:
    return moment if is_aware(moment) else make_aware(moment)
