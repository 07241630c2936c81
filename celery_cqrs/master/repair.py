"""A replica asks for the present state of keys: it is captured for its queue alone, if that queue may see it.

A key whose change waits in the outbox is answered by that; one that is gone is answered by a DELETE, at the revision of
its tombstone or of what the replica knows, so that no later life of the key is harmed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import F

from celery_cqrs import conf, signals, tombstones
from celery_cqrs.batch import RepairKey, RepairRequest
from celery_cqrs.columns import clean_key
from celery_cqrs.database import clock, tables
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.decode import MAX_INTEGER
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master import capture, outbox
from celery_cqrs.master.fields import is_named
from celery_cqrs.models import Outbox, Tombstone
from celery_cqrs.registry import NAME_LENGTH, MasterRegistry
from celery_cqrs.serialize import key_text, key_value, target_of

KEYS_AT_ONCE = 500


def repair(payload: Any) -> int:
    """Capture what ``payload`` (a RepairRequest on the wire) asks for; returns how many keys will be answered.

    May run twice: what waits for the queue already is not captured again. Raises MessageRefused.
    """
    request = RepairRequest.from_message(payload)
    if request.outbox not in connections or not tables.exists(request.outbox, Outbox):
        raise MessageRefused(problem=f"it asks for rows of database {request.outbox!r}, which has no outbox here.")
    by_id: dict[str, list[RepairKey]] = defaultdict(list)
    for key in request.keys:
        by_id[key.cqrs_id].append(key)
    return sum(_repair_model(request, cqrs_id, keys) for cqrs_id, keys in by_id.items())


def _repair_model(request: RepairRequest, cqrs_id: str, keys: Sequence[RepairKey]) -> int:
    model = MasterRegistry.get_model_by_cqrs_id(cqrs_id)
    reason = _refusal(model, request.queue, cqrs_id)
    if reason:
        _refuse(request.queue, cqrs_id, len(keys), reason)
        return 0
    known = dict(_readable(model, keys))
    if len(known) < len({str(key.instance_pk) for key in keys}):
        _refuse(request.queue, cqrs_id, len(keys) - len(known), "their keys are none of this model")
    ordered = sorted(known)
    portions = [ordered[start : start + KEYS_AT_ONCE] for start in range(0, len(ordered), KEYS_AT_ONCE)]
    return sum(_repair_keys(request, model, {key: known[key] for key in portion}) for portion in portions)


def _refusal(model: Any, queue: str, cqrs_id: str) -> str | None:
    """Why ``queue`` gets nothing of this model, None when it does: the master's settings decide who sees the data."""
    if model is None:
        return "no master model has this CQRS_ID"
    if not model.CQRS_PRODUCE:
        return "the model has CQRS_PRODUCE = False"
    if not is_named(model, queue):
        return "CQRS_FIELDS of the model does not name this queue"
    return None if queue in conf.queues_for(cqrs_id) else 'CQRS["master"]["replicas"] does not give it to this queue'


def _readable(model: Any, keys: Sequence[RepairKey]) -> Iterator[tuple[str, int]]:
    """The keys that can be one of ``model``, as texts, each with the revision that was reported."""
    field = target_of(model._meta.pk)
    for key in keys:
        try:
            text = key_text(model, key.instance_pk)
            value = key_value(model, text)
            field.run_validators(value)
        except (ValidationError, ValueError, TypeError, ArithmeticError):
            continue
        fits = not isinstance(value, int) or abs(value) <= MAX_INTEGER  # Django 4.2 does not ask this on SQLite
        if fits and text == clean_key(text):
            yield text, key.revision


def _refuse(queue: str, cqrs_id: str, count: int, reason: str) -> None:
    facts = {"queue": clean_key(queue, NAME_LENGTH), "cqrs_id": clean_key(cqrs_id, NAME_LENGTH), "count": count}
    signals.repair_refused.send_robust(Outbox, **facts, reason=reason)


def _repair_keys(request: RepairRequest, model: Any, reported: Mapping[str, int]) -> int:
    using, queue = request.outbox, request.queue
    with write_transaction(using):
        waiting = _hurry(using, queue, model.CQRS_ID, list(reported))
        wanted = {key: revision for key, revision in reported.items() if key not in waiting}
        present = read_rows(using, model, wanted)
        deletes = bury_absent(using, queue, model, {key: wanted[key] for key in wanted if key not in present})
        capture.capture_syncs_of(model, list(present.values()), using, queue)
    counts = {"syncs": len(present), "deletes": deletes, "waiting": len(waiting)}
    signals.repaired.send_robust(Outbox, queue=queue, cqrs_id=model.CQRS_ID, using=using, **counts)
    return len(reported)


def _hurry(using: str, queue: str, cqrs_id: str, keys: Sequence[str]) -> set[str]:
    """Keys that have rows in the outbox, which answer the question; those sent long ago become pending at once.

    A held change answers nothing; a held SYNC is not asked for again.
    """
    rows = Outbox.objects.using(using).filter(kind=Outbox.SYNC, queue=queue, cqrs_id=cqrs_id, pk_text__in=keys)
    rows = outbox.on_their_way(rows)
    lost = clock.now(using) - timedelta(seconds=conf.master.resend_after_seconds)
    rows.filter(sent_at__lt=clock.for_field(lost)).update(sent_at=None, available_at=F("captured_at"))
    return set(rows.values_list("pk_text", flat=True))


def read_rows(using: str, model: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The instances with these keys, by key."""
    rows = model._base_manager.using(using).filter(pk__in=[key_value(model, key) for key in keys])
    return {key_text(model, one.pk): one for one in rows}


def bury_absent(using: str, queue: str, model: Any, absent: Mapping[str, int]) -> int:
    """Capture a DELETE for each key that is still absent once its tombstone is held; returns how many.

    At the tombstone's own revision and not above: a life that begins meanwhile is newer than that. Where the deletion
    is forgotten or was never captured, the replica's revision becomes the tombstone, so that a new life goes on above.
    """
    graves = tombstones.hold(using, Tombstone.MASTER, model.CQRS_ID, absent)
    gone = {key: max(graves[key], absent[key]) for key in absent.keys() - read_rows(using, model, absent).keys()}
    unknown = {key: revision for key, revision in gone.items() if revision > graves[key]}
    if unknown:
        tombstones.remember(using, Tombstone.MASTER, model.CQRS_ID, unknown)
    tombstones.release(using, Tombstone.MASTER, model.CQRS_ID, absent.keys() - unknown.keys())
    if gone:
        capture.capture_absence(model, gone, using, queue)
    return len(gone)
