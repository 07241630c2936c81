"""Repairs: ordinary outbox rows for one queue; and lifting, where the master's revision must rise above a replica's.

All of it runs in the transaction of an answer. A false alarm costs a message that the replica finds it has already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connections, transaction

from celery_cqrs import conf, signals
from celery_cqrs.batch import MAX_REVISION
from celery_cqrs.border import result_or_error
from celery_cqrs.database.keys import among
from celery_cqrs.master import bundles, capture, outbox
from celery_cqrs.master.concerned import registered_for_save
from celery_cqrs.master.fields import is_named
from celery_cqrs.master.repair import bury_absent, read_rows
from celery_cqrs.models import Outbox
from celery_cqrs.reconcile.judge import Drift, Verdict
from celery_cqrs.serialize import key_text, key_value


def mend(using: str, model: Any, queue: str, verdicts: Sequence[Verdict], *, lift_ahead: bool) -> int:
    """Capture what mends ``verdicts``, but for extra rows; returns how many are mended."""
    wanted = [one for one in verdicts if one.kind not in (Drift.EXTRA, Drift.LETTER)]
    if not lift_ahead:
        wanted = [one for one in wanted if one.kind is not Drift.AHEAD]
    lifts = {one.key: one.floor for one in wanted if one.needs_lift}
    keys = [one.key for one in wanted if not one.needs_lift]
    synced = sync(using, model, queue, keys)
    return synced + _lift(using, model, lifts)


def sync(using: str, model: Any, queue: str, keys: Sequence[str]) -> int:
    """Send the present state of ``keys`` to ``queue`` alone; returns of how many."""
    found = read_rows(using, model, keys)
    captured = _capture(model, [found[key] for key in keys if key in found], using, queue)
    _announce(using, model, queue, syncs=captured)
    return captured


def remove(using: str, model: Any, queue: str, extras: Mapping[str, int], present: set[str]) -> int:
    """Have ``queue`` delete the extra rows; returns how many.

    Those ``present`` have left the filter, and their DELETE is made of a SYNC. The others are absent, and deleted above
    what the replica reported, so that nothing late brings them back.
    """
    absent = {key: floor + 1 for key, floor in extras.items() if key not in present and floor < MAX_REVISION}
    deletes = bury_absent(using, queue, model, absent)
    _announce(using, model, queue, deletes=deletes)
    left = sorted(extras.keys() & present) if model.CQRS_DELETE_ON_LEAVE else []
    return deletes + sync(using, model, queue, left)


def with_changes_waiting(using: str, model: Any, queue: str, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` whose changes are on their way to ``queue``: a row stays until the replica confirms it."""
    rows = outbox.on_their_way(Outbox.objects.using(using).filter(queue=queue, cqrs_id=model.CQRS_ID))
    alone = among(rows.filter(kind=Outbox.SYNC), "pk_text", keys).values_list("pk_text", flat=True)
    return set(alone) | bundles.keys_waiting(rows, keys)


def _lift(using: str, model: Any, floors: Mapping[str, int]) -> int:
    """Raise rows above what the replica knows, and tell every queue of them, since all others would be behind.

    A row that somebody is writing is passed over: its change is captured, or it is found again.
    """
    if not floors:
        return 0
    skips = connections[using].features.has_select_for_update_skip_locked
    rows = model._base_manager.using(using)
    chosen = rows.filter(pk__in=[key_value(model, key) for key in floors]).select_for_update(skip_locked=skips)
    free = {key_text(model, pk): pk for pk in chosen.order_by("pk").values_list("pk", flat=True)}
    lifted = {key: pk for key, pk in free.items() if floors.get(key, MAX_REVISION) < MAX_REVISION}
    for key, pk in lifted.items():
        rows.filter(pk=pk, cqrs_revision__lte=floors[key]).update(cqrs_revision=floors[key] + 1)
    instances = [one for key, one in read_rows(using, model, lifted).items() if key in lifted]
    for registered in registered_for_save(model):
        for queue in conf.queues_for(registered.CQRS_ID):
            if is_named(registered, queue):
                _capture(registered, instances, using, queue)
                _announce(using, registered, queue, syncs=len(instances))
    return len(instances)


def _capture(model: Any, instances: Sequence[Any], using: str, queue: str) -> int:
    """Capture all or, when the project's own code refuses one of them, each by itself; returns how many."""
    done = result_or_error(_attempt, model, instances, using, queue)
    if not isinstance(done, Exception):
        return done
    return 0 if len(instances) == 1 else sum(_capture(model, [one], using, queue) for one in instances)


def _attempt(model: Any, instances: Sequence[Any], using: str, queue: str) -> int:
    with transaction.atomic(using=using):
        return capture.capture_syncs_of(model, instances, using, queue) if instances else 0


def _announce(using: str, model: Any, queue: str, *, syncs: int = 0, deletes: int = 0) -> None:
    if syncs or deletes:
        counts = {"syncs": syncs, "deletes": deletes, "waiting": 0}
        signals.repaired.send_robust(Outbox, queue=queue, cqrs_id=model.CQRS_ID, using=using, **counts)
