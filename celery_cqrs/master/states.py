"""What the planned keys hold now: read in bulk, one query per model, encoded once for all queues that see the same."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError

from celery_cqrs.border import result_or_error
from celery_cqrs.database.documents import is_number
from celery_cqrs.exceptions import ModelRefused, SerializationFailed
from celery_cqrs.master.claimed import Claimed
from celery_cqrs.master.fields import OWN_FIELDS, demand_named, view_of
from celery_cqrs.master.texts import read_texts
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.serialize import encode_instance, key_text, key_value, plain_key, to_plain

Key = tuple[str, str]
"""cqrs_id and key text."""


class State(NamedTuple):
    """What a queue is told of a row, as JSON: its key and data; once it has left the filter, which row to delete."""

    pk: str
    data: str
    has_left: bool = False


class States:
    """The present state of the rows' keys, encoded when it is asked for."""

    def __init__(self, using: str, rows: Iterable[Claimed]) -> None:
        self._using = using
        self._told: dict[str, dict[str, State]] = {}
        self._found: dict[Key, Any] = {}
        self._states: dict[tuple[Key, str | None], State | Exception | None] = {}
        wanted: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            wanted[row.cqrs_id].add(row.pk_text)
        for cqrs_id, keys in wanted.items():
            model = MasterRegistry.get_model_by_cqrs_id(cqrs_id)
            if model is not None and not self._ask_database(model, sorted(keys)):
                self._read(model, sorted(keys))

    def state_for(self, row: Claimed) -> State | None:
        """What the queue of ``row`` is told of its instance; None when there is nothing to tell.

        Raises SerializationFailed.
        """
        if row.cqrs_id in self._told:
            return self._told[row.cqrs_id].get(row.pk_text)
        model, key = model_of(row), (row.cqrs_id, row.pk_text)
        view = view_of(model, row.queue)
        if (key, view) not in self._states:
            self._states[key, view] = result_or_error(_state, self._found.get(key), self._using, view)
        state = self._states[key, view]
        if isinstance(state, Exception):
            raise _failure(model, row.pk_text, state)
        return state

    def _ask_database(self, model: Any, keys: Sequence[str]) -> bool:
        """Whether the database tells these rows; what it refuses is read by Python, which finds the bad key."""
        texts = result_or_error(read_texts, model, self._using, keys)
        if texts is None or isinstance(texts, Exception):
            return False
        spell = speller(model)
        self._told[model.CQRS_ID] = {key: State(spell(key), text) for key, text in texts.items()}
        return True

    def _read(self, model: Any, keys: Sequence[str]) -> None:
        """Read ``keys``; when that fails, halve them until the bad key stands alone."""
        found = result_or_error(_read, model, self._using, keys)
        if not isinstance(found, Exception):
            self._found |= {(model.CQRS_ID, key): one for key, one in found.items()}
        elif len(keys) == 1:
            self._found[model.CQRS_ID, keys[0]] = found
        else:
            middle = len(keys) // 2
            self._read(model, keys[:middle])
            self._read(model, keys[middle:])


def texts_of(using: str, cqrs_id: str, keys: Sequence[str]) -> dict[str, str] | None:
    """Key → JSON of those of the rows that exist, the same for all queues; None where they are asked for one by one."""
    model = MasterRegistry.get_model_by_cqrs_id(cqrs_id)
    texts = None if model is None else result_or_error(read_texts, model, using, keys)
    return None if isinstance(texts, Exception) else texts


def speller(model: Any) -> Callable[[str], str]:
    """What makes JSON of a key text of ``model``."""
    return str if is_number(model) else json.dumps


def model_of(row: Claimed) -> Any:
    """The master model of ``row``; raises SerializationFailed where there is none, or none of its queue's business."""
    model = MasterRegistry.get_model_by_cqrs_id(row.cqrs_id)
    if model is None:
        problem = "no master model has this CQRS_ID. Bring it back."
        raise SerializationFailed(model=row.cqrs_id, pk=row.pk_text, problem=problem)
    try:
        demand_named(model, row.queue)
    except ModelRefused as error:
        raise _failure(model, row.pk_text, error) from error
    return model


def pk_of(row: Claimed) -> Any:
    """The primary key of ``row`` as it travels. Raises SerializationFailed."""
    model = model_of(row)
    try:
        return plain_key(model, row.pk_text)
    except (ValidationError, ValueError, TypeError) as error:  # the type of the primary key has changed since
        raise _failure(model, row.pk_text, error) from error


def _read(model: Any, using: str, keys: Sequence[str]) -> dict[str, Any]:
    rows = model.relate_cqrs_serialization(model._base_manager.using(using))
    found = {key_text(model, one.pk): one for one in rows.filter(pk__in=[key_value(model, key) for key in keys])}
    if found.keys() - set(keys):
        found |= _found_alike(model, rows, [key for key in keys if key not in found])
    return found


def _found_alike(model: Any, rows: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Where a collation takes "a" and "A" for one key, a row is found under a key that it spells another way."""
    found = {key: rows.filter(pk=key_value(model, key)).first() for key in keys}
    return {key: one for key, one in found.items() if one is not None}


def _state(found: Any, using: str, view: str | None) -> State | None:
    """The filter is asked again, about what will be seen. Raises TypeError or ValueError for what JSON cannot carry."""
    if found is None:
        return None
    if isinstance(found, Exception):
        raise found
    has_left = not found.is_sync_instance()
    if has_left and not found.CQRS_DELETE_ON_LEAVE:
        return None
    data = _farewell(found) if has_left else found.to_cqrs_dict(using=using, sync=True, **_as_queue(view))
    return State(json.dumps(_plain_pk(found)), json.dumps(data), has_left)


def _as_queue(view: str | None) -> dict[str, str]:
    """Models that tell all queues the same may have a ``to_cqrs_dict`` that knows of no queue."""
    return {} if view is None else {"queue": view}


def _farewell(instance: Any) -> dict[str, Any]:
    """A row that has left is deleted at the revision that it has, so that its return is newer."""
    custom = to_plain(instance.get_custom_cqrs_delete_data())
    own = encode_instance(instance, [instance._meta.get_field(name) for name in OWN_FIELDS])
    data = {"id": _plain_pk(instance), **own}
    return {**data, "custom": custom} if custom else data


def _plain_pk(instance: Any) -> Any:
    return plain_key(type(instance), key_text(type(instance), instance.pk))


def _failure(model: Any, key: str, error: Exception) -> SerializationFailed:
    if isinstance(error, SerializationFailed):
        return error
    return SerializationFailed(model=model.__name__, pk=key, problem=f"{type(error).__name__}: {error}")
