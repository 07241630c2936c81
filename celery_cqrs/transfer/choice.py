"""What a person means on the command line: a model by its CQRS_ID, rows by a filter."""

from __future__ import annotations

import json
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet

from celery_cqrs.border import result_or_error
from celery_cqrs.exceptions import BadFilter, ModelRefused, NothingFound, WrongCqrsId
from celery_cqrs.registry import NAME_LENGTH, MasterRegistry, Registry, ReplicaRegistry


def master_model(cqrs_id: str) -> Any:
    """The master model with this id. Raises WrongCqrsId."""
    return _model(MasterRegistry, cqrs_id)


def replica_model(cqrs_id: str) -> Any:
    """The replica model with this id. Raises WrongCqrsId, and ModelRefused where there are no rows to look at."""
    model = _model(ReplicaRegistry, cqrs_id)
    if model.CQRS_NO_DB_OPERATIONS:
        raise ModelRefused(model=model.__name__, problem="its rows are the hooks' own, so they cannot be looked at.")
    return model


def rows_of(model: Any) -> QuerySet[Any]:
    """All rows of ``model``, also those that its own manager hides, where they are written."""
    rows: QuerySet[Any] = model._base_manager.using(router.db_for_write(model))
    return rows


def filtered(rows: QuerySet[Any], text: str | None) -> QuerySet[Any]:
    """Those of ``rows`` that the filter ``text`` describes, a JSON object of Django's look-ups; all without one.

    Raises BadFilter, and NothingFound when there are none.
    """
    found = result_or_error(_narrowed, rows, _look_ups(text or "{}"))
    if isinstance(found, Exception):  # a field, a value or the database refuses it
        raise BadFilter(problem=" ".join(str(found).split())) from found
    if found is None:
        raise NothingFound
    return found


def _model(registry: type[Registry], cqrs_id: str) -> Any:
    model = registry.get_model_by_cqrs_id(cqrs_id)
    if model is None:
        raise WrongCqrsId(cqrs_id=cqrs_id[:NAME_LENGTH])
    return model


def _look_ups(text: str) -> dict[str, Any]:
    try:
        look_ups = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFilter(problem=f"It is no JSON: {error}.") from error
    if not isinstance(look_ups, dict):
        raise BadFilter(problem='It must be a JSON object, such as {"id__gt": 1000}.')
    return look_ups


def _narrowed(rows: QuerySet[Any], look_ups: dict[str, Any]) -> QuerySet[Any] | None:
    """The rows, None if there are none; asked at once, since most wrong values are found by asking alone."""
    found = rows.filter(Q(*look_ups.items()))  # as items, for Q has arguments with names of its own
    return found if found.exists() else None
