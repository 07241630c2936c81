"""The rows of one side, as both sides see them alike: in intervals, as digests, and one by one."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from celery_cqrs.database.keys import among
from celery_cqrs.decode import MAX_INTEGER
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.reconcile.columns import Column, replica_field
from celery_cqrs.reconcile.digest import (
    HASH,
    POSITIONS,
    SLICES,
    ZERO,
    Digest,
    Interval,
    digest_of,
    hash_of,
    position_of,
)
from celery_cqrs.reconcile.kinds import text_maker
from celery_cqrs.serialize import key_text, key_value

PAGE_ROWS = 10_000
KEYS_AT_ONCE = 500
WITH_LENGTH = ("text", "json", "other", "address")
"""Kinds whose texts may contain a comma."""


@dataclass(frozen=True)
class RowState:
    """A row: its key (as ``key_text`` writes it), its revision and, in a deep comparison, the hash of its content."""

    key: str
    revision: int
    content: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a column is read: the attribute, and what makes the canonical text of its value."""

    attname: str
    kind: str
    text: Callable[[Any], str | None]

    def framed(self, value: Any) -> str:
        """The text with an end, so that the texts of several columns can follow each other."""
        text = self.text(value)
        if text is None:
            return "~,"
        return f"{len(text)}:{text}," if self.kind.startswith(WITH_LENGTH) else f"{text},"


@dataclass(frozen=True)
class Record:
    """What is read of one row; ``key`` and ``content`` are canonical texts."""

    pk: Any
    key: str
    revision: int
    content: str | None


def master_rows(model: Any, using: str, queue: str, columns: Sequence[Column], scheme: str, key_kind: str) -> Rows:
    """The rows that the replicas are to have of a master ``model``: those that satisfy its filter."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    readings = [_reading(fields[column.name], column.kind) for column in columns]
    sql_filter = model.cqrs_sync_filter()
    by_python = sql_filter is None and model.is_sync_instance is not RawMasterMixin.is_sync_instance
    passes = model.is_sync_instance if by_python else None
    return Rows(model, using, readings, scheme, _reading(model._meta.pk, key_kind), sql_filter, passes)


def replica_rows(model: Any, using: str, columns: Sequence[Column], scheme: str, key_kind: str) -> Rows:
    """All rows of a replica ``model``; ``columns`` have the master's names."""
    readings = [_reading(replica_field(model, column.name), column.kind) for column in columns]
    return Rows(model, using, readings, scheme, _reading(model._meta.pk, key_kind))


def _reading(field: Any, kind: str) -> Reading:
    return Reading(field.attname, kind, text_maker(field, kind))


class Rows:
    """The rows of one side. Intervals are of positions, see ``digest.py``."""

    def __init__(
        self,
        model: Any,
        using: str,
        columns: Sequence[Reading],
        scheme: str,
        key: Reading,
        sql_filter: Any = None,
        passes: Callable[[Any], bool] | None = None,
    ) -> None:
        self.model = model
        self.using = using
        self.columns = columns
        self.scheme = scheme
        self.key = key
        self.sql_filter = sql_filter
        self.passes = passes

    def chunks(self, size: int, resume_at: int | None = None) -> Iterator[tuple[Interval, Digest]]:
        """All positions from ``resume_at`` on, in intervals of about ``size`` rows, each with its digest.

        Without ``resume_at`` from the lowest position on. The last interval is open in the scheme "key".
        """
        return self._chunks_by_hash(size, resume_at) if self.scheme == HASH else self._chunks_by_key(size, resume_at)

    def digests(self, intervals: Sequence[Interval]) -> list[Digest]:
        """The digest of each of ``intervals``, which do not overlap; in the scheme "hash" in one scan for all."""
        order = sorted(range(len(intervals)), key=lambda number: _start(intervals[number]))
        starts = [_start(intervals[number]) for number in order]
        found = [ZERO] * len(intervals)
        for record in self._records_of(intervals):
            position = self._position(record)
            at = bisect_right(starts, position) - 1
            if at >= 0 and position in intervals[order[at]]:
                found[order[at]] += digest_of(record.key, record.revision, record.content)
        return found

    def slices(self, interval: Interval, number: int = SLICES) -> list[Digest]:
        """The digests of ``interval.slices(number)``."""
        return self.digests(interval.slices(number))

    def states(self, intervals: Sequence[Interval], limit: int) -> tuple[list[RowState], int | None]:
        """The rows in ``intervals`` by position, at most ``limit`` of them, and the position to go on at, or None."""
        records = (record for record in self._records_of(intervals) if self._is_in(record, intervals))
        first = heapq.nsmallest(limit + 1, ((self._position(record), record.key, record) for record in records))
        end = first[limit][0] if len(first) > limit else None
        return [self._state(record) for position, _, record in first if end is None or position < end], end

    def find(self, keys: Sequence[str]) -> dict[str, RowState]:
        """Those of ``keys`` (as ``key_text`` writes them) that this side has, and that satisfy the filter."""
        wanted, found = set(keys), {}
        for pks in _portions(self._pks(keys)):
            for record in self._read(among(self._rows(filtered=True), "pk", pks)):
                state = self._state(record)
                found[state.key] = state
        return {key: state for key, state in found.items() if key in wanted}

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of ``keys`` that are in the table, whether they satisfy the filter or not."""
        found: set[str] = set()
        for pks in _portions(self._pks(keys)):
            rows = among(self._rows(), "pk", pks).values_list(self.key.attname, flat=True)
            found.update(key_text(self.model, pk) for pk in rows)
        return found & set(keys)

    def _pks(self, keys: Iterable[str]) -> list[Any]:
        """The primary keys that ``keys`` stand for; what is no key of this model is not among its rows."""
        pks = []
        for key in keys:
            with suppress(ValidationError, ValueError, TypeError, ArithmeticError):
                pk = key_value(self.model, key)
                if not isinstance(pk, int) or abs(pk) <= MAX_INTEGER:
                    pks.append(pk)
        return pks

    # ── chunks ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _chunks_by_key(self, size: int, resume_at: int | None) -> Iterator[tuple[Interval, Digest]]:
        start = resume_at
        for last, records in self._pages(Interval(resume_at, None), size):
            if start is None and records:
                yield Interval(None, records[0].pk), ZERO
                start = records[0].pk
            yield Interval(start, last + 1), sum((_digest(record) for record in records), ZERO)
            start = last + 1
        yield Interval(start, None), ZERO

    def _chunks_by_hash(self, size: int, resume_at: int | None) -> Iterator[tuple[Interval, Digest]]:
        whole = Interval(resume_at or 0, POSITIONS)
        intervals = whole.slices(max(1, -(-self._rows().count() // size)))
        yield from zip(intervals, self.digests(intervals), strict=True)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _rows(self, *, filtered: bool = False) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model._base_manager.using(self.using).all()
        return rows.filter(self.sql_filter) if filtered and self.sql_filter is not None else rows

    def _records_of(self, intervals: Sequence[Interval]) -> Iterator[Record]:
        """The rows in ``intervals``; in the scheme "hash" all rows there are."""
        for interval in intervals if self.scheme != HASH else [Interval(None, None)]:
            for _, records in self._pages(interval, PAGE_ROWS):
                yield from records

    def _pages(self, interval: Interval, size: int) -> Iterator[tuple[Any, list[Record]]]:
        """The table in key order, ``size`` rows at a time: the last key, and those that satisfy the filter."""
        rows = self._rows().order_by("pk")
        rows = rows if interval.end is None else rows.filter(pk__lt=interval.end)
        page = rows if interval.start is None else rows.filter(pk__gte=interval.start)
        while pks := list(page.values_list(self.key.attname, flat=True)[:size]):
            inside = self._rows(filtered=True).filter(pk__gte=pks[0], pk__lte=pks[-1]).order_by("pk")
            yield pks[-1], list(self._read(inside))
            page = rows.filter(pk__gt=pks[-1])

    def _read(self, rows: QuerySet[Any]) -> Iterator[Record]:
        names = [self.key.attname, "cqrs_revision", *(column.attname for column in self.columns)]
        values: Iterable[Sequence[Any]]
        if self.passes is None:
            values = rows.values_list(*names)
        else:
            values = ([getattr(row, name) for name in names] for row in rows if self.passes(row))
        for pk, revision, *contents in values:
            framed = [column.framed(value) for column, value in zip(self.columns, contents, strict=True)]
            yield Record(pk, self.key.text(pk) or "", revision, "".join(framed) if framed else None)

    def _position(self, record: Record) -> int:
        return position_of(record.key) if self.scheme == HASH else int(record.pk)

    def _is_in(self, record: Record, intervals: Sequence[Interval]) -> bool:
        return self.scheme != HASH or any(self._position(record) in interval for interval in intervals)

    def _state(self, record: Record) -> RowState:
        content = None if record.content is None else hash_of(record.content)
        return RowState(key_text(self.model, record.pk), record.revision, content)


def from_position(intervals: Sequence[Interval], position: int) -> list[Interval]:
    """What is left of ``intervals`` from ``position`` on."""
    left = [one for one in intervals if one.end is None or position < one.end]
    return [Interval(position, one.end) if one.start is None or one.start < position else one for one in left]


def _digest(record: Record) -> Digest:
    return digest_of(record.key, record.revision, record.content)


def _start(interval: Interval) -> float:
    return -inf if interval.start is None else interval.start


def _portions(pks: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(pks), KEYS_AT_ONCE):
        yield pks[start : start + KEYS_AT_ONCE]
