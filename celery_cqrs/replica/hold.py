"""Rows held for a batch, so that nobody else decides about them: present ones locked, absent ones by placeholder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery_cqrs import tombstones
from celery_cqrs.models import Tombstone
from celery_cqrs.serialize import key_text, key_value


class Held:
    """The rows and tombstones of some keys of one replica model, locked until the transaction ends. Keys are texts."""

    def __init__(self, model: Any, using: str) -> None:
        self.model = model
        self.using = using
        self._rows: dict[str, Any] = {}
        self._graves: dict[str, int] = {}
        self._touched: set[str] = set()
        self._raced: set[str] = set()

    def take(self, keys: Iterable[str]) -> None:
        """Lock ``keys``: the rows in one statement, in order; then the absent ones, and what has appeared meanwhile."""
        wanted = sorted(set(keys))
        self._lock_rows(wanted)
        absent = [key for key in wanted if key not in self._rows]
        if absent:
            self._graves |= tombstones.hold(self.using, Tombstone.REPLICA, self.model.CQRS_ID, absent)
            self._lock_rows(absent)
            self._raced |= {key for key in absent if key in self._rows}

    def give_up(self) -> None:
        """Take the placeholders away; the locks go with the transaction."""
        placeholders = [key for key, revision in self._graves.items() if revision == Tombstone.PLACEHOLDER]
        if placeholders:
            tombstones.release(self.using, Tombstone.REPLICA, self.model.CQRS_ID, placeholders)

    def row(self, key: str) -> Any:
        """The stored instance of ``key``, read again if a hook may have changed it; None when there is none."""
        if key in self._touched:
            self._touched.discard(key)
            self._rows.pop(key, None)
            self._lock_rows([key])
        return self._rows.get(key)

    def revision(self, key: str) -> int | None:
        """The revision of the stored row of ``key``, None when there is none."""
        row = self.row(key)
        return None if row is None else row.cqrs_revision

    def take_race(self, key: str) -> bool:
        """Whether the row of ``key`` was absent at first, and there when nobody else held it any more; true once."""
        raced = key in self._raced
        self._raced.discard(key)
        return raced

    def tombstone(self, key: str) -> int | None:
        """The revision at which ``key`` was deleted, None when it was not."""
        return self._graves.get(key)

    def touch(self, key: str) -> None:
        """Note that a hook has run on ``key``."""
        self._touched.add(key)

    def bury(self, key: str, revision: int) -> None:
        """Remember the deletion of ``key`` at ``revision``, or at the higher one that is known."""
        grave = max(revision, self._graves.get(key, revision))
        tombstones.remember(self.using, Tombstone.REPLICA, self.model.CQRS_ID, {key: grave})
        self._graves[key] = grave

    def _lock_rows(self, keys: Iterable[str]) -> None:
        pks = [key_value(self.model, key) for key in keys]
        rows = self.model._base_manager.using(self.using).filter(pk__in=pks).order_by("pk")
        self._rows |= {key_text(self.model, row.pk): row for row in rows.select_for_update()}


@contextmanager
def holding(model: Any, using: str, keys: Iterable[str]) -> Iterator[Held]:
    """Hold ``keys`` of ``model`` within the open transaction."""
    held = Held(model, using)
    held.take(keys)
    yield held
    held.give_up()
