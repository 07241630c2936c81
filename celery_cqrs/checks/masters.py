"""Master models whose declarations make sense by themselves, and not beside the settings or the rest of the project."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.checks.configuration import is_importable
from celery_cqrs.checks.problems import error
from celery_cqrs.master.fields import differs_by_queue, is_named
from celery_cqrs.registry import MasterRegistry


def check_masters() -> Iterator[CheckMessage]:
    """CQRS_FIELDS that differ by queue; serializers."""
    for cqrs_id, model in MasterRegistry.models.items():
        yield from _check_choice(cqrs_id, model)
        yield from _check_serializer(cqrs_id, model)


def _check_choice(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    if not differs_by_queue(model):
        return
    queues = [queue for queue, ids in conf.master.replicas.items() if _gets(ids, cqrs_id)]
    for queue in queues:
        if not is_named(model, queue):
            hint = 'Name it, with a list of fields or "__all__": until then its changes wait in the outbox.'
            yield error(14, f"CQRS_FIELDS of {cqrs_id!r} does not name queue {queue!r}, which gets the model.", hint)
    for queue in model.CQRS_FIELDS:
        if queue not in queues:
            yield _needless(cqrs_id, queue, queues)


def _gets(ids: Any, cqrs_id: str) -> bool:
    """As ``conf.queues_for``, for settings that may be wrong; another check says so."""
    return ids == "__all__" or (isinstance(ids, list | tuple | set | frozenset) and cqrs_id in ids)


def _needless(cqrs_id: str, queue: str, queues: Sequence[str]) -> CheckMessage:
    near = difflib.get_close_matches(queue, queues, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f'Take it out, or add {cqrs_id!r} to CQRS["master"]["replicas"].'
    return error(14, f"CQRS_FIELDS of {cqrs_id!r} names queue {queue!r}, which does not get the model.", hint)


def _check_serializer(cqrs_id: str, model: Any) -> Iterator[CheckMessage]:
    path = model.CQRS_SERIALIZER
    if path is None:
        return
    if not isinstance(path, str) or not is_importable(path):
        hint = "Give the dotted path of a class that takes the instance and has `data`."
        yield error(15, f"CQRS_SERIALIZER {path!r} of {cqrs_id!r} cannot be imported.", hint)
    elif not callable(import_string(path)):
        yield error(15, f"CQRS_SERIALIZER {path!r} of {cqrs_id!r} is no class.", "Give the dotted path of a class.")
