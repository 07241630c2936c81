"""The master takes an answer: what is equal is counted, what differs is asked for more closely, down to rows, and what
two looks have proved is mended.

Each answer is taken once, in one transaction with what follows from it: a second one finds its question gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from celery_cqrs import decode
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master.repair import read_rows
from celery_cqrs.models import Inquiry, Reconciliation
from celery_cqrs.reconcile import asking, mend, runs
from celery_cqrs.reconcile.bodies import digests_of, intervals_of, rows_of, sights_of, to_wire
from celery_cqrs.reconcile.closer import digests_of_slices, slices_of
from celery_cqrs.reconcile.columns import columns_of_master
from celery_cqrs.reconcile.digest import Digest, Interval, from_position
from celery_cqrs.reconcile.judge import Drift, Suspect, Verdict, judge
from celery_cqrs.reconcile.rows import Rows, RowState
from celery_cqrs.reconcile.wire import CHUNKS, FAILED, HELLO, KEYS, ROWS
from celery_cqrs.registry import MasterRegistry

ROWS_PER_ANSWER = 10_000
KEYS_PER_QUESTION = 500

Body = Mapping[str, Any]


def take(using: str, run: Reconciliation, inquiry: Inquiry, body: Body) -> None:
    """Draw from the answer to ``inquiry`` what follows. Raises MessageRefused for one that makes no sense."""
    if FAILED in body:
        state = Reconciliation.NOT_COMPARABLE if inquiry.kind == HELLO else Reconciliation.FAILED
        runs.end(using, run.pk, state, f"The replica says: {body[FAILED]}."[:500])
        return
    TAKERS[inquiry.kind](using, run, inquiry, body)


def _take_hello(using: str, run: Reconciliation, inquiry: Inquiry, body: Body) -> None:
    """Both sides can be compared: in this kind of keys, and in these columns."""
    model = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id)
    shared = set(decode.required(body, "columns", list))
    columns = columns_of_master(model, using, run.queue) if run.deep else []
    with runs.closing(using, inquiry) as mine:
        if mine is not None:
            mine.key_kind = decode.required(body, "key_kind", str)
            mine.columns = [[column.name, column.kind] for column in columns if column.name in shared]
            mine.save(using=using, update_fields=["key_kind", "columns"])


def _take_chunks(using: str, run: Reconciliation, inquiry: Inquiry, body: Body) -> None:
    """Equal chunks are done with; of the others the slices are found that differ, against our rows as they are now."""
    asked = inquiry.payload
    intervals, answers = intervals_of(asked), decode.required(body, "chunks", list)
    if len(answers) != len(intervals):
        raise MessageRefused(problem="it must answer every chunk.")
    digests = zip(digests_of(asked["digests"]), answers, strict=True)
    equal = sum(digest.count for digest, answer in digests if answer is None)
    unequal = [(one, digests_of(answer)) for one, answer in zip(intervals, answers, strict=True) if answer is not None]
    slices = _compare_slices(runs.rows_of(using, run), unequal, asked["slices"])
    with runs.closing(using, inquiry) as mine:
        if mine is not None:
            mine.master_rows += equal + sum(one.ours.count for one in slices)
            mine.replica_rows += equal + sum(one.theirs.count for one in slices)
            mine.save(using=using, update_fields=["master_rows", "replica_rows"])
            for portion in _portions_of(one for one in slices if one.ours != one.theirs):
                asking.add(using, run, ROWS, {"intervals": to_wire(portion), "limit": ROWS_PER_ANSWER})


@dataclass(frozen=True)
class Slice:
    """A part of a chunk as both sides see it."""

    interval: Interval
    ours: Digest
    theirs: Digest


def _compare_slices(rows: Rows, unequal: Sequence[tuple[Interval, list[Digest]]], number: int) -> list[Slice]:
    found: list[Slice] = []
    ours = digests_of_slices(rows, [interval for interval, _ in unequal], number)
    for (interval, theirs), mine in zip(unequal, ours, strict=True):
        if len(mine) != len(theirs):
            raise MessageRefused(problem="it must have a digest for each slice.")
        found += map(Slice, slices_of(interval, number), mine, theirs)
    return found


def _portions_of(slices: Iterable[Slice]) -> Iterator[list[Interval]]:
    """Intervals for one question each, of about ROWS_PER_ANSWER rows."""
    portion: list[Interval] = []
    size = 0
    for one in slices:
        count = max(one.ours.count, one.theirs.count)
        if portion and size + count > ROWS_PER_ANSWER:
            yield portion
            portion, size = [], 0
        portion.append(one.interval)
        size += count
    if portion:
        yield portion


def _take_rows(using: str, run: Reconciliation, inquiry: Inquiry, body: Body) -> None:
    """Row by row: whoever differs, and has no change on its way to the replica, is a suspect."""
    theirs = {row.key: row for row in rows_of(body)}
    intervals, go_on_at = intervals_of(inquiry.payload), decode.optional(body, "next", int)
    left = [] if go_on_at is None else from_position(intervals, go_on_at)
    seen = intervals if go_on_at is None else _up_to(intervals, go_on_at)
    rows = runs.rows_of(using, run)
    suspects = _without_the_innocent(using, run, rows, list(_suspects(_states(rows, seen), theirs)))
    with runs.closing(using, inquiry) as mine:
        if mine is not None:
            for portion in _chunked(suspects, KEYS_PER_QUESTION):
                asking.add(using, run, KEYS, {"suspects": to_wire(portion)})
            if left:
                asking.add(using, run, ROWS, {"intervals": to_wire(left), "limit": ROWS_PER_ANSWER})


def _up_to(intervals: Iterable[Interval], end: int) -> list[Interval]:
    """The parts of ``intervals`` before the position ``end``."""
    before = [one for one in intervals if one.start is None or one.start < end]
    return [Interval(one.start, end if one.end is None else min(one.end, end)) for one in before]


def _states(rows: Rows, intervals: list[Interval]) -> dict[str, RowState]:
    """Our own rows there, now."""
    found: dict[str, RowState] = {}
    go_on_at: int | None = None
    while intervals:
        states, go_on_at = rows.states(intervals, ROWS_PER_ANSWER)
        found.update((state.key, state) for state in states)
        intervals = [] if go_on_at is None else from_position(intervals, go_on_at)
    return found


def _suspects(ours: Mapping[str, RowState], theirs: Mapping[str, RowState]) -> Iterator[Suspect]:
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None or mine.revision != other.revision or mine.content != other.content:
            yield Suspect(key, _revision(mine), _revision(other))


def _revision(state: RowState | None) -> int | None:
    return None if state is None else state.revision


def _without_the_innocent(using: str, run: Reconciliation, rows: Rows, suspects: Sequence[Suspect]) -> list[Suspect]:
    """Without those whose change is on its way, and those which have left the filter and may stay on the replica."""
    model = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id)
    innocent: set[str] = set()
    for portion in _chunked([suspect.key for suspect in suspects], KEYS_PER_QUESTION):
        innocent |= mend.with_changes_waiting(using, model, run.queue, portion)
    absent = [suspect.key for suspect in suspects if suspect.master is None]
    innocent |= (_elsewhere if model.CQRS_DELETE_ON_LEAVE else _present)(using, model, rows, absent)
    return [suspect for suspect in suspects if suspect.key not in innocent]


def _present(using: str, model: Any, rows: Rows, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` that are in the master's table, whatever its filter says, here or on another database."""
    found = _elsewhere(using, model, rows, keys)
    for portion in _chunked(keys, KEYS_PER_QUESTION):
        found |= rows.present(portion)
    return found


def _elsewhere(using: str, model: Any, _: Rows, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` that are in the master's table on another database, whose own run judges them."""
    homes = runs.homes_of(model)
    found: set[str] = set(keys if homes is None else ())  # nobody can say what is not there
    for portion in _chunked(keys, KEYS_PER_QUESTION):
        for alias in homes or ():
            found |= read_rows(alias, model, portion).keys() if alias != using else set()
    return found


def _take_keys(using: str, run: Reconciliation, inquiry: Inquiry, body: Body) -> None:
    """The second look: what is wrong is counted, and captured for the replica."""
    suspects = [Suspect(*item) for item in inquiry.payload["suspects"]]
    sights, rows = sights_of(body), runs.rows_of(using, run)
    model = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id)
    with runs.closing(using, inquiry) as mine:
        if mine is None:
            return
        keys = [suspect.key for suspect in suspects if suspect.key in sights]
        waiting = mend.with_changes_waiting(using, model, run.queue, keys)
        now = rows.find(keys)
        waiting |= mend.with_changes_waiting(using, model, run.queue, keys)  # what was changed between these two
        judged = (judge(one, sights[one.key], now.get(one.key)) for one in suspects if one.key in sights)
        verdicts = [one for one in judged if one is not None and one.key not in waiting]
        _note(using, mine, verdicts)
        if mine.repair:
            _mend(using, mine, model, verdicts)


def _note(using: str, run: Reconciliation, verdicts: Sequence[Verdict]) -> None:
    for kind in Drift:
        keys = [one.key for one in verdicts if one.kind is kind]
        if keys:
            runs.note_drift(using, run, kind.value, keys)


def _mend(using: str, run: Reconciliation, model: Any, verdicts: Sequence[Verdict]) -> None:
    """Repair now; what is to be deleted is kept until all is answered."""
    run.repaired += mend.mend(using, model, run.queue, verdicts, lift_ahead=run.lift)
    run.save(using=using, update_fields=["repaired"])
    extras = [[one.key, one.floor] for one in verdicts if one.kind is Drift.EXTRA]
    if extras:
        asking.add(using, run, asking.EXTRAS, {"extras": extras})


def delete_extras(using: str, run: Reconciliation, inquiry: Inquiry) -> None:
    """Once everything is answered: delete what this inquiry keeps, if it is still not the master's."""
    extras: dict[str, int] = dict(inquiry.payload["extras"])
    model, rows = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id), runs.rows_of(using, run)
    with runs.closing(using, inquiry) as mine:
        if mine is None:
            return
        keys = list(extras)
        back = mend.with_changes_waiting(using, model, run.queue, keys) | rows.find(keys).keys()
        extras = {key: floor for key, floor in extras.items() if key not in back}
        mine.repaired += mend.remove(using, model, run.queue, extras, _present(using, model, rows, keys))
        mine.save(using=using, update_fields=["repaired"])


def _chunked(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


TAKERS: dict[str, Callable[[str, Reconciliation, Inquiry, Body], None]] = {
    HELLO: _take_hello,
    CHUNKS: _take_chunks,
    ROWS: _take_rows,
    KEYS: _take_keys,
}
