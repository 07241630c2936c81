"""Writes the rows of a knot (``knots.py``) in one transaction: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connections

from celery_cqrs.border import result_or_error
from celery_cqrs.database.constraints import breaks_foreign_key
from celery_cqrs.database.locks import applying, check_foreign_keys, defer_foreign_keys, write_transaction
from celery_cqrs.exceptions import RowRefused, RowsKnotted
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Outcome, Settled
from celery_cqrs.replica import settle
from celery_cqrs.replica.apply import Failed, Terms, attempt, why_refused, write_row
from celery_cqrs.replica.hold import Held, holding
from celery_cqrs.replica.mapping import with_nulls
from celery_cqrs.replica.parents import Missing, find_missing, offered_by

SHOWN = 3


@dataclass(frozen=True)
class Row:
    """One row of a knot, as its letter has it."""

    model: Any
    key: str
    message: Message
    letter: Letter


Ending = tuple[Message, Outcome]
HeldRows = Mapping[Any, Held]
Way = Callable[[str, Sequence[Row], HeldRows, Terms], list[Settled]]


def tie(using: str, rows: Sequence[Row]) -> list[Ending]:
    """Apply ``rows`` and take their letters away; returns how their messages ended.

    Nothing has ended when somebody else has the letters, or when what the rows refer to has changed meanwhile; then
    they wait on. A row that fails for a reason of its own is settled by that, and the others wait on.
    """
    now = datetime.now(UTC)
    terms = Terms(now, settle.remembered_since(now), fresh=False)
    if any(why_refused(row.model, row.message, terms) for row in rows):
        return []
    for way in WAYS[connections[using].vendor]:
        result = result_or_error(_together, using, rows, way, terms)
        if not isinstance(result, Exception):
            return result
        if not breaks_foreign_key(result):
            return _settle(using, _blamed(rows, result, terms))
    return []


def _together(using: str, rows: Sequence[Row], way: Way, terms: Terms) -> list[Ending]:
    with _held(using, rows) as held:
        if not _still_wait(using, rows) or not _are_complete(using, rows):
            return []
        endings = [(one.message, one.outcome) for one in way(using, rows, held, terms)]
        settle.write_rows(using, endings)
        return endings


@contextmanager
def _held(using: str, rows: Sequence[Row]) -> Iterator[HeldRows]:
    """The locks of all their models, then all their keys, each in order."""
    models = {row.model.CQRS_ID: row.model for row in rows}
    with ExitStack() as stack:
        for cqrs_id in sorted(models):
            stack.enter_context(applying(using, cqrs_id, exclusive=False))
        keys = {model: [row.key for row in rows if row.model is model] for _, model in sorted(models.items())}
        yield {model: stack.enter_context(holding(model, using, some)) for model, some in keys.items()}


def _still_wait(using: str, rows: Sequence[Row]) -> bool:
    """Whether nobody has released or replaced the letters; locked, so that nobody does."""
    wanted = {row.letter.pk: (row.letter.revision, row.letter.updated_at) for row in rows}
    found = Letter.objects.using(using).filter(pk__in=wanted, state=Letter.WAITING).order_by("pk")
    locked = found.select_for_update().values_list("pk", "revision", "updated_at")
    return {pk: (revision, moment) for pk, revision, moment in locked} == wanted


def _are_complete(using: str, rows: Sequence[Row]) -> bool:
    """Whether they miss nothing but each other."""
    offered = {parent for row in rows for parent in offered_by(row.model, [row.message])}
    missed = {one.parent for row in rows for one in _missed_by(using, row)}
    return missed <= offered


def _missed_by(using: str, row: Row) -> list[Missing]:
    return find_missing(row.model, using, [row.message])[0]


def _deferred(using: str, rows: Sequence[Row], held: HeldRows, terms: Terms) -> list[Settled]:
    """In any order; the database looks at the end."""
    defer_foreign_keys(using)
    settled = [_done(attempt(held[row.model], row.key, row.message, terms)) for row in rows]
    check_foreign_keys(using)
    return settled


def _by_nulls(using: str, rows: Sequence[Row], held: HeldRows, terms: Terms) -> list[Settled]:
    """What refers to a row that is not written yet is written without that, and at the end once more as it is."""
    left, again, settled = list(rows), [], []
    while left:
        row, missing = _next(using, left)
        left.remove(row)
        message = with_nulls(row.model, row.message, [one.field for one in missing])
        one = _done(attempt(held[row.model], row.key, message, terms))
        settled.append(replace(one, message=row.message))
        if missing and isinstance(one.outcome, Applied):
            again.append(row)
    for row in again:
        _done(write_row(held[row.model], row.key, row.message))
    return settled


def _next(using: str, left: Sequence[Row]) -> tuple[Row, list[Missing]]:
    """A row that can be written now: it misses nothing, or only what may be null."""
    missed = [(row, _missed_by(using, row)) for row in left]
    for row, missing in sorted(missed, key=lambda one: len(one[1])):
        if all(one.field.null for one in missing):
            return row, missing
    named = ", ".join(f"{row.message.cqrs_id} {row.key!r}" for row in left[:SHOWN])
    raise RowsKnotted(rows=named if len(left) <= SHOWN else f"{named} and {len(left) - SHOWN} more")


def _done(ending: Settled | Failed) -> Settled:
    """Raises RowRefused when it failed, so that what was written before is rolled back."""
    if isinstance(ending, Failed):
        raise RowRefused(cqrs_id=ending.message.cqrs_id, pk=ending.message.instance_pk) from ending.error
    return ending


def _blamed(rows: Sequence[Row], error: Exception, terms: Terms) -> list[Ending]:
    """How the messages end that are to blame for ``error``."""
    if isinstance(error, RowsKnotted):
        return [(row.message, Dead(str(error))) for row in rows]
    if not isinstance(error, RowRefused) or not isinstance(error.__cause__, Exception):  # a deferred constraint, say
        return [(row.message, settle.failure(row.model, row.message, error, None, terms.now)) for row in rows]
    named = (error.facts["cqrs_id"], error.facts["pk"])
    row = next(one for one in rows if (one.message.cqrs_id, one.message.instance_pk) == named)
    return [(row.message, settle.failure(row.model, row.message, error.__cause__, None, terms.now))]


def _settle(using: str, endings: list[Ending]) -> list[Ending]:
    with write_transaction(using):
        settle.write_rows(using, endings)
    return endings


WAYS: dict[str, tuple[Way, ...]] = {
    "postgresql": (_deferred, _by_nulls),
    "sqlite": (_deferred,),
    "mysql": (_by_nulls,),
}
"""PostgreSQL takes the second way where somebody has made a constraint that cannot wait."""
