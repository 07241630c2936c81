"""What differs between master and replica, list by list: each side looks at its own rows alone.

Keys come and go as plain values, as the other side wrote them. Those that cannot be keys of the model are ``strange``:
no row of it has them, and nothing is decided about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from celery_cqrs.border import result_or_error
from celery_cqrs.database import tables
from celery_cqrs.database.keys import among
from celery_cqrs.database.pages import pages, satisfying
from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.master.sync import Synced, sync_rows
from celery_cqrs.replica.mapping import map_key
from celery_cqrs.serialize import Plain, key_text, key_value, plain_key
from celery_cqrs.transfer.choice import rows_of
from celery_cqrs.transfer.pipe import Pair

KEYS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Keys:
    """Keys of one list, as they came, by the text under which this side knows them; and those that it cannot know."""

    by_text: dict[str, Plain] = field(default_factory=dict)
    strange: list[Plain] = field(default_factory=list)

    @property
    def plain(self) -> list[Plain]:
        """The keys as they came."""
        return list(self.by_text.values())

    def only(self, texts: Iterable[str]) -> Keys:
        """Those with these texts, and the strange ones."""
        return Keys({text: self.by_text[text] for text in texts}, self.strange)


def know(model: Any, keys: Iterable[Plain]) -> Keys:
    """Sort ``keys`` into those that can be keys of ``model``, and strange ones."""
    known = Keys()
    for key in keys:
        try:
            known.by_text[map_key(model, key)] = key
        except MappingFailed:
            known.strange.append(key)
    return known


def list_revisions(model: Any, rows: QuerySet[Any], size: int) -> Iterator[list[Pair]]:
    """Key and revision of each of ``rows`` of a master ``model`` that the replicas are to have, ``size`` at a time."""
    for page in pages(_wanted(model, rows), size):
        yield [(_plain(model, pk), revision) for pk, revision in _states(model, page)]


def list_keys(model: Any, rows: QuerySet[Any], size: int) -> Iterator[list[Plain]]:
    """The key of each of ``rows`` of a replica ``model``, ``size`` at a time."""
    for page in pages(rows, size):
        yield [_plain(model, pk) for pk in dict.fromkeys(page.values_list("pk", flat=True))]


def differing(model: Any, pairs: Sequence[Pair]) -> Keys:
    """The keys that a replica ``model`` has at another revision than the master, or not at all."""
    theirs, known = dict(pairs), know(model, (key for key, _ in pairs))
    found = _found(model, rows_of(model), known.by_text)
    ours = {key_text(model, pk): revision for rows in found for pk, revision in _all_states(rows)}
    return known.only(text for text, key in known.by_text.items() if ours.get(text) != theirs[key])


def unwanted(model: Any, keys: Sequence[Plain]) -> Keys:
    """The keys of rows that replicas of a master ``model`` should not have: it has none, or they have left its filter.

    The latter with CQRS_DELETE_ON_LEAVE alone; otherwise replicas keep what leaves.
    """
    known, leaves = know(model, keys), model.CQRS_DELETE_ON_LEAVE
    present: set[str] = set()
    for rows in _rows_anywhere(model):
        for found in _found(model, _wanted(model, rows) if leaves else rows, known.by_text):
            states = _states(model, found) if leaves else _all_states(found)
            present.update(key_text(model, pk) for pk, _ in states)
    return known.only(text for text in known.by_text if text not in present)


def sync_keys(model: Any, keys: Sequence[Plain], queue: str | None) -> tuple[Synced, list[Plain]]:
    """Capture a SYNC of each row with one of ``keys`` for ``queue``, or for all; the strange keys besides.

    Keys without a row are left out. Raises SettingRefused for a queue that does not get ``model``.
    """
    known = know(model, keys)
    captured = sum(sync_rows(rows, queue).captured for rows in _found(model, rows_of(model), known.by_text))
    return Synced(captured, len(known.by_text) - captured), known.strange


def _rows_anywhere(model: Any) -> Iterator[QuerySet[Any]]:
    """All rows of a master ``model`` on each database that has its table. One that is away is asked, and raises."""
    places = tables.look(model._meta.concrete_model)
    homes = [place.using for place in places if place.is_here or place.problem]
    for using in dict.fromkeys([rows_of(model).db, *homes]):
        yield model._base_manager.using(using)


def _wanted(model: Any, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of ``rows`` that the filter of a master ``model`` lets through, as far as the database can tell."""
    return satisfying(rows, model.cqrs_sync_filter())


def _is_asked_in_python(model: Any) -> bool:
    overridden = model.is_sync_instance is not RawMasterMixin.is_sync_instance
    return overridden and model.cqrs_sync_filter() is None


def _states(model: Any, rows: QuerySet[Any]) -> Iterable[tuple[Any, int]]:
    """Key and revision of those of ``rows`` that the filter of a master ``model`` lets through."""
    if not _is_asked_in_python(model):
        return _all_states(rows)
    return [(one.pk, one.cqrs_revision) for one in rows if _passes(one)]


def _all_states(rows: QuerySet[Any]) -> Iterable[tuple[Any, int]]:
    """A look-up over many related rows finds a row many times."""
    return dict.fromkeys(rows.values_list("pk", "cqrs_revision"))


def _passes(instance: Any) -> bool:
    """Whether the filter lets ``instance`` through; where it fails, the row is looked at and not forgotten."""
    answer = result_or_error(instance.is_sync_instance)
    return isinstance(answer, Exception) or bool(answer)


def _found(model: Any, rows: QuerySet[Any], texts: Iterable[str]) -> Iterator[QuerySet[Any]]:
    """Those of ``rows`` that have one of ``texts`` as their key, in portions."""
    values = [key_value(model, text) for text in texts]
    for start in range(0, len(values), KEYS_AT_ONCE):
        yield among(rows, "pk", values[start : start + KEYS_AT_ONCE])


def _plain(model: Any, pk: Any) -> Plain:
    return pk if type(pk) is int else plain_key(model, key_text(model, pk))
