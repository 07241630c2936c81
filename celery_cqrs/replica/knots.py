"""Knots: letters that wait for each other's rows, as mutually referring rows do. Their rows are written together.

Where foreign keys may be checked at the end of a transaction, they are; elsewhere a foreign key that may be null is
null for a moment within the transaction. What allows neither cannot be written at all, and its letters say so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from celery_cqrs.border import result_or_error
from celery_cqrs.database.patience import patiently
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Outcome, Parent
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica import letters
from celery_cqrs.replica.parents import KEYS_AT_ONCE, cqrs_ids, field_at, find_missing, offered_by
from celery_cqrs.replica.tying import Row, tie
from celery_cqrs.replica.waiting import waiting_letters
from celery_cqrs.replica.write import key_of

GENERATIONS = 100
MOST_ROWS = 500

Ending = tuple[Message, Outcome]
Knot = dict[Parent, Row]
"""The rows of a knot, each named as its children name it."""


def untie(using: str, parents: Collection[Parent]) -> Iterator[tuple[str, list[Ending]]]:
    """Apply what waits for ``parents`` in circles, knot by knot; gives how the messages of each CQRS_ID ended."""
    done: set[Parent] = set()
    for circle in _circles(_follow(using, parents)):
        knot = {} if circle & done else _whole(using, circle)
        done |= circle | knot.keys()
        if knot:
            unique = {row.letter.pk: row for row in knot.values()}
            yield from _by_id(patiently(tie, using, list(unique.values())))


def _follow(using: str, parents: Collection[Parent]) -> dict[Parent, Parent]:
    """Who waits for whom, from ``parents`` upwards, as far as they wait as letters themselves."""
    links: dict[Parent, Parent] = {}
    ahead = set(parents)
    for _ in range(GENERATIONS):
        found = {row: Parent(letter.parent, letter.parent_key) for row, letter in _letters_of(using, ahead).items()}
        links |= found
        ahead = {parent for parent in found.values() if parent not in links}
        if not ahead:
            break
    return links


def _circles(links: Mapping[Parent, Parent]) -> Iterator[set[Parent]]:
    seen: set[Parent] = set()
    for start in links:
        path: dict[Parent, None] = {}
        row: Parent | None = start
        while row is not None and row not in seen:
            seen.add(row)
            path[row] = None
            row = links.get(row)
        if row in path:
            walked = list(path)
            yield set(walked[walked.index(row) :])


def _whole(using: str, circle: Collection[Parent]) -> Knot:
    """``circle`` with all that its rows miss besides; nothing when some of that is not here as a letter either."""
    knot: Knot = {}
    ahead = set(circle)
    while ahead and len(knot) + len(ahead) <= MOST_ROWS:
        found = _rows_of(_letters_of(using, ahead))
        if found.keys() != ahead:
            return {}
        knot |= found
        ahead = _missed_by(using, found) - knot.keys()
    return knot if not ahead else {}


def _missed_by(using: str, knot: Knot) -> set[Parent]:
    missed: set[Parent] = set()
    for row in knot.values():
        (missing,) = find_missing(row.model, using, [row.message])
        missed |= {one.parent for one in missing}
    return missed


def _letters_of(using: str, rows: Collection[Parent]) -> dict[Parent, Letter]:
    """The waiting letters of ``rows``, as far as they have one."""
    found: dict[Parent, Letter] = {}
    for place in sorted({row.place for row in rows}):
        field = field_at(place)
        some = [row for row in rows if row.place == place]
        if field is not None:
            found |= (_by_key if field.primary_key else _by_value)(using, field.model, some)
    return found


def _by_key(using: str, model: Any, rows: Sequence[Parent]) -> dict[Parent, Letter]:
    found: dict[Parent, Letter] = {}
    for start in range(0, len(rows), KEYS_AT_ONCE):
        keys = {row.key: row for row in rows[start : start + KEYS_AT_ONCE]}
        some = waiting_letters(using).filter(cqrs_id__in=cqrs_ids(model), pk_text__in=keys)
        for letter in some.defer("payload"):  # only what is in a circle is read as a whole
            found[keys[letter.pk_text]] = letter
    return found


def _by_value(using: str, model: Any, rows: Sequence[Parent]) -> dict[Parent, Letter]:
    """Of a field that is not the primary key letters hold nothing but their payload: some are read."""
    found: dict[Parent, Letter] = {}
    for letter in waiting_letters(using).filter(cqrs_id__in=cqrs_ids(model))[:MOST_ROWS]:
        row = result_or_error(_row_of, letter)
        if isinstance(row, Row):
            found |= {parent: letter for parent in offered_by(row.model, [row.message]) if parent in rows}
    return found


def _rows_of(found: Mapping[Parent, Letter]) -> Knot:
    """What can be read of them; the last try of another says what is wrong with it."""
    rows = {parent: result_or_error(_row_of, letter) for parent, letter in found.items()}
    return {parent: row for parent, row in rows.items() if isinstance(row, Row)}


def _row_of(letter: Letter) -> Row:
    message, model = letters.to_message(letter), ReplicaRegistry.models[letter.cqrs_id]
    return Row(model, key_of(model, message), message, letter)


def _by_id(endings: Sequence[Ending]) -> Iterator[tuple[str, list[Ending]]]:
    for cqrs_id in sorted({message.cqrs_id for message, _ in endings}):
        yield cqrs_id, [one for one in endings if one[0].cqrs_id == cqrs_id]
