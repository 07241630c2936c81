"""Lines of a dump become rows of a replica: under its lock and guard, in bulk where the model allows it.

A loaded row is told as a SAVE: it never replaces a newer one, and never brings a deleted one back. What fails as a
whole goes the way of messages, which find the bad row and spare its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.models import Q

from celery_cqrs import tombstones
from celery_cqrs.border import result_or_error
from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Outcome, Reason, Settled, Skipped
from celery_cqrs.replica import letters, settle
from celery_cqrs.replica.apply import Failed, Terms, attempt_hooks, write_together
from celery_cqrs.replica.mapping import map_key, primary_key_in
from celery_cqrs.replica.parents import Missing, why_orphaned
from celery_cqrs.replica.path import choose
from celery_cqrs.replica.upsert import Statement, execute, prepare
from celery_cqrs.transfer.lines import Line

ROWS_PER_STATEMENT = 1_000
ROWS_OF_MESSAGES = 500
MOST_ORPHANS = 50
Told = dict[int, tuple[Message, Line]]
"""The messages of lines, by their ids."""


@dataclass
class Written:
    """What came of some lines: how many were loaded, were not newer, had been deleted since, or wait as letters for
    rows that they refer to; and the failed ones, with why. ``endings`` are those that went as messages.
    """

    loaded: int = 0
    older: int = 0
    deleted: int = 0
    waiting: int = 0
    failed_count: int = 0
    failed: list[tuple[Line, str]] = field(default_factory=list)
    endings: list[tuple[Message, Outcome]] = field(default_factory=list)

    def fail(self, line: Line, reason: str) -> None:
        """Note that ``line`` cannot be loaded."""
        self.failed.append((line, reason))
        self.failed_count += 1

    @property
    def lines(self) -> int:
        """How many lines there were."""
        return self.loaded + self.older + self.deleted + self.waiting + self.failed_count

    def counted(self) -> Written:
        """The numbers alone."""
        return replace(self, failed=[], endings=[])

    def __iadd__(self, other: Written) -> Written:
        self.loaded += other.loaded
        self.older += other.older
        self.deleted += other.deleted
        self.waiting += other.waiting
        self.failed_count += other.failed_count
        self.failed += other.failed
        self.endings += other.endings
        return self


def write_lines(model: Any, using: str, lines: Sequence[Line]) -> Written:
    """Write ``lines`` in the caller's transaction, which holds the lock of ``model``."""
    result = Written()
    for line in lines:
        if line.problem:
            result.fail(line, f"{line.problem}: line {line.number}!")
    good = [line for line in lines if not line.problem]
    if good and not model.CQRS_NO_DB_OPERATIONS and _may_go_at_once(model, using):
        written = result_or_error(_write_at_once, model, using, good)
        if not isinstance(written, Exception):
            result += written
            return result
    for start in range(0, len(good), ROWS_OF_MESSAGES):
        result += _write_as_messages(model, using, good[start : start + ROWS_OF_MESSAGES])
    return result


def _may_go_at_once(model: Any, using: str) -> bool:
    """Whether the statement tells how much it wrote, the model goes in bulk, and no letter has a say about its rows."""
    if not connections[using].features.supports_update_conflicts_with_target:
        return False
    if not choose(model, using, deletes=False).bulk:
        return False
    concerned = Q(cqrs_id=model.CQRS_ID) | Q(state=Letter.WAITING)
    return not letters.of_queue(using).filter(concerned).exists()


def _write_at_once(model: Any, using: str, lines: Sequence[Line]) -> Written:
    living = _without_deleted(model, using, [line.data for line in lines])
    parts = [living[start : start + ROWS_PER_STATEMENT] for start in range(0, len(living), ROWS_PER_STATEMENT)]
    with transaction.atomic(using=using), _prepared(model, connections[using], parts) as prepared:
        loaded = sum(execute(using, statements) for statements in prepared)
    return Written(loaded, len(living) - loaded, len(lines) - len(living))


@contextmanager
def _prepared(
    model: Any, connection: Any, parts: Sequence[list[dict[str, Any]]]
) -> Iterator[Iterable[list[Statement]]]:
    """The statements of each part; while PostgreSQL executes one, a thread makes the next."""
    make = partial(prepare, model, connection, sync=False)
    if connection.vendor != "postgresql":
        yield map(make, parts)
        return
    with ThreadPoolExecutor(1, "celery_cqrs-load") as thread:
        yield thread.map(make, parts)


def _without_deleted(model: Any, using: str, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``data`` but for rows that were deleted at their revision or later."""
    if not Tombstone.objects.using(using).filter(side=Tombstone.REPLICA, cqrs_id=model.CQRS_ID).exists():
        return data
    keys = [map_key(model, primary_key_in(model, one)) for one in data]
    graves = tombstones.find(using, Tombstone.REPLICA, model.CQRS_ID, keys)
    if not graves:
        return data
    return [one for key, one in zip(keys, data, strict=True) if graves.get(key, -1) < one["cqrs_revision"]]


def fail_line(model: Any, using: str, line: Line, error: Exception) -> Written:
    """What comes of ``line`` when its transaction could not be committed, because of ``error``."""
    result = Written()
    told = _messages(model, [line], result)
    with transaction.atomic(using=using):
        _settle(model, using, told, [Failed(message, error) for message, _ in told.values()], result)
    return result


def _write_as_messages(model: Any, using: str, lines: Sequence[Line]) -> Written:
    result = Written()
    told = _messages(model, lines, result)
    endings = _endings(model, using, [message for message, _ in told.values()])
    _settle(model, using, told, endings, result)
    return result


def _settle(model: Any, using: str, told: Told, endings: Sequence[Settled | Failed], result: Written) -> None:
    """Count ``endings``, and write the letters of those who wait."""
    failed = [one for one in endings if isinstance(one, Failed)]
    missing = {} if model.CQRS_NO_DB_OPERATIONS else _orphans(model, using, failed)
    for one in endings:
        message, parent = one.message, missing.get(id(one.message))
        if not isinstance(one, Failed):
            _count(result, one.outcome)
            result.endings.append((message, one.outcome))
        elif parent is not None:
            result.waiting += 1
            result.endings.append((message, settle.failure(model, message, one.error, parent, datetime.now(UTC))))
        else:
            line = told[id(message)][1]
            result.fail(line, f"Unexpected error: line {line.number}! {settle.describe(one.error, message)}")
    settle.write_rows(using, result.endings)


def _messages(model: Any, lines: Sequence[Line], result: Written) -> Told:
    """The message of each line, by its id; ``result`` gets the lines without a key."""
    told: Told = {}
    for line in lines:
        message = result_or_error(_message, model, line)
        if isinstance(message, Exception):
            result.fail(line, f"Unexpected error: line {line.number}! {message}")
        else:
            told[id(message)] = message, line
    return told


def _orphans(model: Any, using: str, failed: Sequence[Failed]) -> dict[int, Missing]:
    """Those whose parents may still come; so many at once come from a dump that is loaded too early."""
    missing = why_orphaned(model, using, [(one.message, one.error) for one in failed])
    return missing if len(missing) <= MOST_ORPHANS else {}


def _endings(model: Any, using: str, messages: Sequence[Message]) -> Sequence[Settled | Failed]:
    now = datetime.now(UTC)
    terms = Terms(now, settle.remembered_since(now), fresh=False)
    if model.CQRS_NO_DB_OPERATIONS:
        return [attempt_hooks(model, message, terms) for message in messages]
    return write_together(model, using, messages, terms)


def _count(result: Written, outcome: Outcome) -> None:
    match outcome:
        case Applied():
            result.loaded += 1
        case Skipped(Reason.DELETED):
            result.deleted += 1
        case _:
            result.older += 1


def _message(model: Any, line: Line) -> Message:
    """Raises MappingFailed when the key is not in the line; a class without a table may call it as it likes."""
    if model.CQRS_NO_DB_OPERATIONS:
        return Message(SignalType.SAVE, model.CQRS_ID, line.data, line.data.get("id", line.number))
    key = primary_key_in(model, line.data)
    if key is None or isinstance(key, bool | list | dict):
        raise MappingFailed(cqrs_id=model.CQRS_ID, model=model.__name__, problem="the primary key is no value.")
    return Message(SignalType.SAVE, model.CQRS_ID, line.data, key)
