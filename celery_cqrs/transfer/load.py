"""A dump into a replica's table, batch by batch, each in a transaction that also notes how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connections, router, transaction

from celery_cqrs.border import result_or_error
from celery_cqrs.database.locks import applying, check_foreign_keys, defer_foreign_keys
from celery_cqrs.database.pages import pages
from celery_cqrs.exceptions import DumpRefused
from celery_cqrs.positions import Position
from celery_cqrs.replica import settle
from celery_cqrs.replica.path import choose
from celery_cqrs.replica.waiting import release_children
from celery_cqrs.transfer.files import Source
from celery_cqrs.transfer.lines import Line, portions
from celery_cqrs.transfer.rejects import Rejects
from celery_cqrs.transfer.write import Written, fail_line, write_lines

CLEARED_AT_ONCE = 1_000
Tell = Callable[[Written], None]


@dataclass(frozen=True)
class Target:
    """The replica model of a dump and its database; ``run`` is the name of this load among the positions."""

    model: Any
    using: str
    run: str

    @property
    def has_table(self) -> bool:
        """Whether the package writes its rows."""
        return not self.model.CQRS_NO_DB_OPERATIONS


def alias_of(model: Any) -> str:
    """Where rows of ``model`` are written; letters' place where it has no table."""
    return settle.letters_alias() if model.CQRS_NO_DB_OPERATIONS else str(router.db_for_write(model))


def load(target: Target, source: Source, rejects: Rejects, size: int, tell: Tell) -> None:
    """Load the rows that are left in ``source``; ``tell`` hears of every batch. Raises DumpRefused."""
    for lines in portions(source, size):
        tell(_load_batch(target, rejects, lines))
    Position.forget(target.using, target.run)


def load_anew(target: Target, source: Source, rejects: Rejects, size: int, tell: Tell) -> int:
    """Empty the table and load ``source``, all in one transaction; returns how many rows there were before.

    Deletions that are remembered stay so. Raises DumpRefused, and then the old rows are left, as after any other end.
    """
    if not target.has_table:
        raise DumpRefused(problem=f"--clear is not for {target.model.__name__}, whose rows are the hooks' own.")
    try:
        with applying(target.using, target.model.CQRS_ID, exclusive=True):
            defer_foreign_keys(target.using)
            removed = _clear(target)
            _load_all(target, source, rejects, size, tell)
            check_foreign_keys(target.using)
    except IntegrityError as error:
        raise DumpRefused(
            problem=f"A foreign key stands against it: {_first_line(error)} The old rows are left."
        ) from error
    return removed


def _load_all(target: Target, source: Source, rejects: Rejects, size: int, tell: Tell) -> None:
    """Raises DumpRefused when nothing but bad lines came: that is no dump of this model.

    Beat finds those who waited for these rows.
    """
    loaded = failed = 0
    for lines in portions(source, size):
        written = write_lines(target.model, target.using, lines)
        rejects.keep([line for line, _ in written.failed])
        tell(written)
        loaded, failed = loaded + written.loaded, failed + len(written.failed)
    if failed and not loaded:
        raise DumpRefused(problem=f"None of the {failed} lines can be loaded. The old rows are left.")


def _load_batch(target: Target, rejects: Rejects, lines: Sequence[Line]) -> Written:
    """What cannot even be committed is halved until the bad line stands alone; SQLite checks foreign keys so late."""
    found = result_or_error(_commit_batch, target, rejects, lines)
    if not isinstance(found, Exception):
        return found
    if isinstance(found, DumpRefused):
        raise found
    if len(lines) == 1:
        alone = fail_line(target.model, target.using, lines[0], found)
        rejects.keep([line for line, _ in alone.failed])
        return alone
    middle = len(lines) // 2
    written = _load_batch(target, rejects, lines[:middle])
    written += _load_batch(target, rejects, lines[middle:])
    return written


def _commit_batch(target: Target, rejects: Rejects, lines: Sequence[Line]) -> Written:
    """The rejected lines are on disk before the commit: a run that is killed in between keeps them twice, not never."""
    with _locked(target):
        written = write_lines(target.model, target.using, lines)
        last = lines[-1].number
        Position.note(target.using, target.run, str(last), last - 1)
        rejects.keep([line for line, _ in written.failed])
    if target.has_table:
        release_children(target.model, target.using, written.endings)
    return written


def _locked(target: Target) -> AbstractContextManager[None]:
    if not target.has_table:
        return transaction.atomic(using=target.using)
    return applying(target.using, target.model.CQRS_ID, exclusive=False)


def _clear(target: Target) -> int:
    """In one statement where Django would do nothing else; else a page at a time, with all that depends on the rows."""
    model, using = target.model, target.using
    rows = model._base_manager.using(using)
    count: int = rows.count()
    loose = [field for field in model._meta.concrete_fields if field.related_model is model and field.null]
    if loose and not connections[using].features.can_defer_constraint_checks:
        rows.update(**dict.fromkeys((field.name for field in loose), None))
    if choose(model, using, deletes=True).bulk:
        rows.all()._raw_delete(using)
    else:
        for page in pages(rows.all(), CLEARED_AT_ONCE):
            page.order_by().delete()
    return count


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:300]
