"""What the planned keys hold now: read in bulk, one query per model, encoded once for all queues that see the same."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from celery_cqrs.border import result_or_error
from celery_cqrs.exceptions import ModelRefused, SerializationFailed
from celery_cqrs.master.fields import demand_named, view_of
from celery_cqrs.models import Outbox
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.serialize import key_text, key_value, plain_key

Key = tuple[str, str]
"""cqrs_id and key text."""


class States:
    """The present state of the rows' keys, encoded when it is asked for."""

    def __init__(self, using: str, rows: Iterable[Outbox]) -> None:
        self._using = using
        self._found: dict[Key, Any] = {}
        self._encoded: dict[tuple[Key, str | None], dict[str, Any] | Exception] = {}
        wanted: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            wanted[row.cqrs_id].add(row.pk_text)
        for cqrs_id, keys in wanted.items():
            model = MasterRegistry.get_model_by_cqrs_id(cqrs_id)
            if model is not None:
                self._read(model, sorted(keys))

    def data_for(self, row: Outbox) -> dict[str, Any] | None:
        """What the queue of ``row`` may see of its instance; None when that is gone. Raises SerializationFailed."""
        key = (row.cqrs_id, row.pk_text)
        found = self._found.get(key)
        if found is None:
            return None
        model = model_of(row)
        if isinstance(found, Exception):
            raise _failure(model, row.pk_text, found)
        view = view_of(model, row.queue)
        if (key, view) not in self._encoded:
            self._encoded[key, view] = result_or_error(_encode, found, self._using, view)
        data = self._encoded[key, view]
        if isinstance(data, Exception):
            raise _failure(model, row.pk_text, data)
        return data

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


def model_of(row: Outbox) -> Any:
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


def pk_of(row: Outbox) -> Any:
    """The primary key of ``row`` as it travels. Raises SerializationFailed."""
    model = model_of(row)
    try:
        return plain_key(model, row.pk_text)
    except (ValidationError, ValueError, TypeError) as error:  # the type of the primary key has changed since
        raise _failure(model, row.pk_text, error) from error


def _read(model: Any, using: str, keys: Sequence[str]) -> dict[str, Any]:
    """The instances of ``keys`` that are there and pass the filter, which is asked again about what will be seen."""
    rows = model.relate_cqrs_serialization(model._base_manager.using(using))
    found = {key_text(model, one.pk): one for one in rows.filter(pk__in=[key_value(model, key) for key in keys])}
    if found.keys() - set(keys):
        found |= _found_alike(model, rows, [key for key in keys if key not in found])
    return {key: one for key, one in found.items() if one.is_sync_instance()}


def _found_alike(model: Any, rows: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Where a collation takes "a" and "A" for one key, a row is found under a key that it spells another way."""
    found = {key: rows.filter(pk=key_value(model, key)).first() for key in keys}
    return {key: one for key, one in found.items() if one is not None}


def _encode(instance: Any, using: str, view: str | None) -> dict[str, Any]:
    """The plain values of ``instance``; json.dumps raises here, not in the transport, for what JSON cannot carry."""
    chosen = {} if view is None else {"queue": view}
    data: dict[str, Any] = instance.to_cqrs_dict(using=using, sync=True, **chosen)
    json.dumps(data)
    return data


def _failure(model: Any, key: str, error: Exception) -> SerializationFailed:
    if isinstance(error, SerializationFailed):
        return error
    return SerializationFailed(model=model.__name__, pk=key, problem=f"{type(error).__name__}: {error}")
