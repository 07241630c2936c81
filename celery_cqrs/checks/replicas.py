"""Who gets what: the models of this service and the queues that they are sent to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage

from celery_cqrs import conf
from celery_cqrs.checks.configuration import NAME_HINT, is_name
from celery_cqrs.checks.problems import error, warning
from celery_cqrs.columns import KEY_LENGTH
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry
from celery_cqrs.replica import path
from celery_cqrs.serialize import target_of


def check_models() -> Iterator[CheckMessage]:
    """Primary keys that the outbox can hold; paths that replica models can go."""
    yield from _check_keys()
    yield from _check_paths()


def _check_keys() -> Iterator[CheckMessage]:
    for cqrs_id, model in MasterRegistry.models.items():
        longest = target_of(model._meta.pk).max_length or 0
        if longest > KEY_LENGTH:
            hint = f"Keys are kept as texts of up to {KEY_LENGTH} characters: give the model a shorter primary key."
            yield error(10, f"the primary key of {cqrs_id!r} may have {longest} characters.", hint)


def _check_paths() -> Iterator[CheckMessage]:
    for cqrs_id, model in ReplicaRegistry.models.items():
        wanted = getattr(model, "CQRS_APPLY", path.CHOICES[0])
        if wanted not in path.CHOICES:
            hint = f"Set it to one of {', '.join(map(repr, path.CHOICES))}."
            yield error(11, f"CQRS_APPLY of replica model {cqrs_id!r} is {wanted!r}.", hint)
        elif wanted == path.BULK and (objection := path.objection(model)):
            sentence = f"CQRS_APPLY of replica model {cqrs_id!r} is 'bulk', and that cannot be: {objection}."
            yield error(11, sentence, "Leave it at 'auto': its rows go through the hooks then.")


def check_replicas() -> Iterator[CheckMessage]:
    """That queues and ids exist, and that masters have replicas."""
    for queue, ids in conf.master.replicas.items():
        if not is_name(queue):
            yield error(8, f'CQRS["master"]["replicas"] has the queue {queue!r}.', NAME_HINT)
        if ids == "__all__":
            continue
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            yield error(
                8, f'CQRS["master"]["replicas"]["{queue}"] is {ids!r}.', 'Give a list of CQRS_IDs or "__all__".'
            )
            continue
        yield from (_unknown_id(queue, cqrs_id) for cqrs_id in ids if cqrs_id not in MasterRegistry.models)
    if MasterRegistry.models and not conf.master.replicas:
        hint = 'Add "master": {"replicas": {"<queue of the replica>": ["<CQRS_ID>"]}}.'
        yield warning(1, "This service has master models and sends them nowhere.", hint)


def _unknown_id(queue: str, cqrs_id: Any) -> CheckMessage:
    place = f'CQRS["master"]["replicas"]["{queue}"]'
    if cqrs_id in ReplicaRegistry.models:
        hint = "The roles are swapped: replicas are listed by the service that owns the model, with its MasterMixin."
        return error(8, f"{place} names {cqrs_id!r}, which is a replica model here.", hint)
    near = difflib.get_close_matches(str(cqrs_id), MasterRegistry.models, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known ids: {', '.join(sorted(MasterRegistry.models)) or 'none'}."
    return error(8, f"{place} names {cqrs_id!r}, but no master model has this CQRS_ID.", hint)
