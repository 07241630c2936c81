"""The rows of one side, as both sides see them alike: in intervals, as digests, and one by one.

The database makes the digests where it can; Python makes the same ones elsewhere.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F

from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.reconcile.canonical import register
from celery_cqrs.reconcile.columns import Column, replica_field
from celery_cqrs.reconcile.digest import (
    HASH,
    PORTION_ROWS,
    POSITIONS,
    SLICES,
    ZERO,
    Digest,
    Interval,
    digest_of_line,
    digest_of_list,
    hash_of,
    position_of,
)
from celery_cqrs.reconcile.records import Reading, Record, Table, reading
from celery_cqrs.reconcile.statements import (
    Hashed,
    Position,
    Query,
    compiled,
    digest_of_interval,
    digests_of_page,
    first_rows,
)
from celery_cqrs.serialize import key_text

PAGE_ROWS = 10_000
EVERYTHING = Interval(None, None)


@dataclass(frozen=True)
class RowState:
    """A row: its key (as ``key_text`` writes it), its revision and, in a deep comparison, the hash of its content."""

    key: str
    revision: int
    content: str | None = None


def master_rows(model: Any, using: str, queue: str, columns: Sequence[Column], scheme: str, key_kind: str) -> Rows:
    """The rows that the replicas are to have of a master ``model``: those that satisfy its filter."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    readings = [reading(fields[column.name], column.kind, using) for column in columns]
    sql_filter = model.cqrs_sync_filter()
    by_python = sql_filter is None and model.is_sync_instance is not RawMasterMixin.is_sync_instance
    passes = model.is_sync_instance if by_python else None
    return Rows(Table(model, using, _key(model, key_kind, using), readings, sql_filter, passes), scheme)


def replica_rows(model: Any, using: str, columns: Sequence[Column], scheme: str, key_kind: str) -> Rows:
    """All rows of a replica ``model``; ``columns`` have the master's names."""
    readings = [reading(replica_field(model, column.name), column.kind, using) for column in columns]
    return Rows(Table(model, using, _key(model, key_kind, using), readings), scheme)


def _key(model: Any, kind: str, using: str) -> Reading:
    return reading(model._meta.pk, kind, using)


class Rows:
    """The rows of one side; intervals are of positions, see ``digest.py``."""

    def __init__(self, table: Table, scheme: str) -> None:
        self.table = table
        self.scheme = scheme
        register(connections[table.using])

    def chunks(self, size: int, resume_at: int | None = None) -> Iterator[tuple[Interval, Digest]]:
        """All positions from ``resume_at`` on, in intervals of about ``size`` rows, each with its digest.

        Without ``resume_at`` from the lowest position on. In the scheme "key" the first and the last interval are open.
        """
        if self.scheme == HASH:
            intervals = self._intervals_of_hashes(size, resume_at or 0)
            yield from zip(intervals, self.digests(intervals), strict=True)
        elif self._lines is not None and self.table.sql_filter is None and size <= PORTION_ROWS:
            yield from self._chunks_at_once(self._lines, size, resume_at)
        else:
            yield from ((interval, self._digest(interval)) for interval in self._intervals_of_keys(size, resume_at))

    def digests(self, intervals: Sequence[Interval]) -> list[Digest]:
        """The digest of each of ``intervals``, which do not overlap; in the scheme "hash" in one scan for all."""
        if self.scheme != HASH or not intervals:
            return [self._digest(interval) for interval in intervals]
        bounds = sorted({bound for one in intervals for bound in (one.start or 0, one.end or POSITIONS)})
        found = dict.fromkeys(bounds, ZERO)
        for number, digest in self._digests_between(bounds):
            if number:
                found[bounds[number - 1]] += digest
        return [found[interval.start or 0] for interval in intervals]

    def slices(self, interval: Interval, number: int = SLICES) -> list[Digest]:
        """The digests of ``interval.slices(number)``."""
        return self.digests(interval.slices(number))

    def states(self, intervals: Sequence[Interval], limit: int) -> tuple[list[RowState], int | None]:
        """The rows in ``intervals`` by position, at most ``limit`` of them, and the position to go on at, or None."""
        return self._states_by_hash(intervals, limit) if self.scheme == HASH else self._states_by_key(intervals, limit)

    def find(self, keys: Sequence[str]) -> dict[str, RowState]:
        """Those of ``keys`` (as ``key_text`` writes them) that this side has, and that satisfy the filter."""
        pages = self.table.with_keys(keys)
        found = {state.key: state for rows in pages for state in map(self._state, self.table.read(rows))}
        return {key: found[key] for key in keys if key in found}

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of ``keys`` that are in the table, whether they satisfy the filter or not."""
        pages = self.table.with_keys(keys, filtered=False)
        pks = (pk for rows in pages for pk in rows.values_list(self.table.key.attname, flat=True))
        return {key_text(self.table.model, pk) for pk in pks} & set(keys)

    # ── the scheme "key" ────────────────────────────────────────────────────────────────────────────────────────────
    def _intervals_of_keys(self, size: int, resume_at: int | None) -> Iterator[Interval]:
        start = self.table.outermost("pk") if resume_at is None else resume_at
        if resume_at is None:
            yield Interval(None, start)
        if start is None:
            return
        for last, _ in self.table.pages(Interval(start, None), size):
            highest = self.table.outermost("-pk") if last is None else last
            if highest is not None and start <= highest:
                yield Interval(start, highest + 1)
                start = highest + 1
        yield Interval(start, None)

    def _chunks_at_once(self, lines: Query, size: int, resume_at: int | None) -> Iterator[tuple[Interval, Digest]]:
        """As with ``_intervals_of_keys``, where one statement tells where a chunk ends and what its digest is."""
        start = self.table.outermost("pk") if resume_at is None else resume_at
        if resume_at is None:
            yield Interval(None, start), self._digest(Interval(None, start))
        count = 0 if start is None else size
        while count == size:
            last, digest = first_rows(self.table.using, lines, Interval(start, None), size)
            count = digest.count
            if count:
                yield Interval(start, last + 1), digest
                start = last + 1
        if start is not None:
            yield Interval(start, None), self._digest(Interval(start, None))

    def _digest(self, interval: Interval) -> Digest:
        if self._lines is not None:
            return digest_of_interval(self.table.using, self._lines, interval)
        return digest_of_list(record.line for record in self._records(interval))

    @cached_property
    def _lines(self) -> Query | None:
        """The keys and lines of all rows as SQL; None where Python makes them."""
        line = self.table.line()
        if line is None:
            return None
        rows = self.table.rows().annotate(cqrs_key=F(self.table.key.attname), cqrs_line=line)
        try:
            return compiled(rows.values_list("cqrs_key", "cqrs_line"))
        except EmptyResultSet:
            return None

    def _records(self, interval: Interval, size: int = PAGE_ROWS) -> Iterator[Record]:
        for _, page in self.table.pages(interval, size):
            yield from self.table.read(page.order_by("pk"))

    def _states_by_key(self, intervals: Sequence[Interval], limit: int) -> tuple[list[RowState], int | None]:
        found: list[RowState] = []
        for interval in sorted(intervals, key=_start):
            for record in self._records(interval, min(PAGE_ROWS, limit + 1)):
                if len(found) == limit:
                    return found, record.pk
                found.append(self._state(record))
        return found, None

    # ── the scheme "hash" ───────────────────────────────────────────────────────────────────────────────────────────
    def _intervals_of_hashes(self, size: int, start: int) -> list[Interval]:
        share = (POSITIONS - start) / POSITIONS
        number = int(self.table.rows(filtered=False).count() * share / size) + 1
        return Interval(start, POSITIONS).slices(number)

    def _digests_between(self, bounds: Sequence[int]) -> Iterator[tuple[int, Digest]]:
        """Digests, each with the number of ``bounds`` that are not above its rows."""
        line, key = self.table.line(), self.table.key.sql
        for _, page in self.table.pages(EVERYTHING, PAGE_ROWS):
            if line is None or key is None:
                for record in self.table.read(page):
                    yield bisect_right(bounds, position_of(record.key)), digest_of_line(record.line)
            else:
                columns = {"cqrs_position": Position(key), "cqrs_hash": Hashed(line)}
                yield from digests_of_page(page.annotate(**columns).values_list(*columns), bounds)

    def _states_by_hash(self, intervals: Sequence[Interval], limit: int) -> tuple[list[RowState], int | None]:
        wanted = sorted(intervals, key=_start)
        starts = [_start(one) for one in wanted]
        candidates = (
            (position, number, pk)
            for number, (position, pk) in enumerate(self.positions())
            if (at := bisect_right(starts, position)) and position in wanted[at - 1]
        )
        first = heapq.nsmallest(limit + 1, candidates)
        end = first[limit][0] if len(first) > limit else None
        pks = {pk: position for position, _, pk in first if end is None or position < end}
        records = [record for rows in self.table.with_pks(list(pks)) for record in self.table.read(rows)]
        return [self._state(one) for one in sorted(records, key=lambda one: (position_of(one.key), one.key))], end

    def positions(self) -> Iterator[tuple[int, Any]]:
        """The position and the primary key of every row; of some that do not satisfy the filter, too."""
        key = self.table.key
        for _, page in self.table.pages(EVERYTHING, PAGE_ROWS):
            if key.sql is None:
                yield from ((position_of(key.text(pk) or ""), pk) for pk in page.values_list(key.attname, flat=True))
            else:
                yield from page.annotate(cqrs_position=Position(key.sql)).values_list("cqrs_position", key.attname)

    def _state(self, record: Record) -> RowState:
        content = None if record.content is None else hash_of(record.content)
        return RowState(key_text(self.table.model, record.pk), record.revision, content)


def _start(interval: Interval) -> int:
    return -(2**64) if interval.start is None else interval.start
