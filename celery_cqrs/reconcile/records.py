"""The table of one side: read page by page in the order of its keys, row by row as canonical texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from celery_cqrs.database.keys import among
from celery_cqrs.database.pages import satisfying
from celery_cqrs.decode import MAX_INTEGER
from celery_cqrs.reconcile.canonical import Canonical, Framed, Line, canonical
from celery_cqrs.reconcile.digest import Interval, line_of
from celery_cqrs.reconcile.kinds import INTEGER, framed, text_maker
from celery_cqrs.serialize import key_value

REVISION = "cqrs_revision"
KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class Reading:
    """How a column is read: what makes the canonical text of its values, in Python and, if it can, in the database."""

    attname: str
    kind: str
    text: Callable[[Any], str | None]
    sql: Canonical | None


def reading(field: Any, kind: str, using: str) -> Reading:
    """How the values of ``field`` are read as texts of ``kind``."""
    return Reading(field.attname, kind, text_maker(field, kind), canonical(field, kind, using))


@dataclass(frozen=True)
class Record:
    """A row; ``key`` and ``content`` (of all compared columns) are canonical texts."""

    pk: Any
    key: str
    revision: int
    content: str | None

    @property
    def line(self) -> str:
        """See ``digest.line_of``."""
        return line_of(self.key, self.revision, self.content)


@dataclass(frozen=True)
class Table:
    """The rows of ``model`` that satisfy ``sql_filter`` and ``passes``, each of them None for all rows."""

    model: Any
    using: str
    key: Reading
    columns: Sequence[Reading]
    sql_filter: Q | None = None
    passes: Callable[[Any], bool] | None = None

    def rows(self, *, filtered: bool = True) -> QuerySet[Any]:
        """The rows that satisfy ``sql_filter``, or all of them."""
        rows: QuerySet[Any] = self.model._base_manager.using(self.using).order_by()
        return satisfying(rows, self.sql_filter) if filtered else rows

    def outermost(self, order: str) -> Any:
        """The primary key of the first of all rows in the ``order`` "pk" or "-pk"; None when there are no rows."""
        return self.rows(filtered=False).order_by(order).values_list(self.key.attname, flat=True).first()

    def line(self) -> Line | None:
        """The line of a row as an SQL expression; None where a part of it, or the filter, is only known to Python."""
        columns = [column.sql and Framed(column.sql) for column in self.columns]
        parts = [self.key.sql, Canonical(REVISION, INTEGER), *columns]
        return None if self.passes or None in parts else Line(*parts)

    def pages(self, interval: Interval, size: int) -> Iterator[tuple[Any, QuerySet[Any]]]:
        """All rows page by page, in the order of their keys: the last key, and those that satisfy ``sql_filter``.

        A page is of ``size`` rows of the table, so that reading it takes its time and no longer, whatever the filter.
        The last page has no last key, and may be empty.
        """
        everything = within(self.rows(filtered=False), interval).order_by("pk")
        left, chosen = everything, within(self.rows(), interval)
        while found := left.values_list(self.key.attname)[size - 1 : size]:
            last = found[0][0]
            yield last, chosen.filter(pk__lte=last)
            left, chosen = (rows.filter(pk__gt=last) for rows in (everything, within(self.rows(), interval)))
        yield None, chosen

    def read(self, rows: QuerySet[Any]) -> Iterator[Record]:
        """``rows``, but for those that do not pass."""
        names = [self.key.attname, REVISION, *(column.attname for column in self.columns)]
        values: Iterable[Sequence[Any]]
        if self.passes is None:
            values = rows.values_list(*names)
        else:
            values = ([getattr(row, name) for name in names] for row in rows if self.passes(row))
        for pk, revision, *contents in values:
            yield Record(pk, self.key.text(pk) or "", revision, self._content(contents))

    def _content(self, values: Sequence[Any]) -> str | None:
        pairs = zip(self.columns, values, strict=True)
        return "".join(framed(column.text(value), column.kind) for column, value in pairs) if self.columns else None

    def with_keys(self, keys: Iterable[str], *, filtered: bool = True) -> Iterator[QuerySet[Any]]:
        """The rows that have one of ``keys`` (as ``key_text`` writes them), in portions."""
        yield from self.with_pks([pk for key in keys for pk in self._pk(key)], filtered=filtered)

    def with_pks(self, pks: Sequence[Any], *, filtered: bool = True) -> Iterator[QuerySet[Any]]:
        """The rows that have one of ``pks``, in portions."""
        for start in range(0, len(pks), KEYS_AT_ONCE):
            yield among(self.rows(filtered=filtered), "pk", pks[start : start + KEYS_AT_ONCE])

    def _pk(self, key: str) -> Iterator[Any]:
        """What ``key`` stands for; nothing when it can be no key of this model."""
        with suppress(ValidationError, ValueError, TypeError, ArithmeticError):
            pk = key_value(self.model, key)
            if not isinstance(pk, int) or abs(pk) <= MAX_INTEGER:
                yield pk


def within(rows: QuerySet[Any], keys: Interval) -> QuerySet[Any]:
    """Those of ``rows`` whose primary key lies in ``keys``."""
    rows = rows if keys.start is None else rows.filter(pk__gte=keys.start)
    return rows if keys.end is None else rows.filter(pk__lt=keys.end)
