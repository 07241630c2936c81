"""The life of a run: asked for, found by its token, counted up, ended. A model and a queue have one at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from celery_cqrs import conf, signals
from celery_cqrs.database import clock, tables
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master.fields import is_named
from celery_cqrs.models import Inquiry, Reconciliation
from celery_cqrs.reconcile.columns import Column
from celery_cqrs.reconcile.digest import HASH, KEY
from celery_cqrs.reconcile.kinds import INTEGER
from celery_cqrs.reconcile.rows import Rows, master_rows
from celery_cqrs.registry import MasterRegistry

KEYS_KEPT = 20
"""Of each kind of drift, for people to see."""


@dataclass(frozen=True)
class Wish:
    """How a comparison is wanted: ``lift`` mends rows that are ahead, ``force`` deletes any number of extra ones."""

    deep: bool = False
    repair: bool = True
    lift: bool = False
    force: bool = False


def pairs(using: str) -> list[tuple[Any, str]]:
    """The models that have rows on this database, each with every queue that gets them."""
    produced = [model for model in MasterRegistry.models.values() if model.CQRS_PRODUCE and is_at_home(using, model)]
    return [(model, queue) for model in produced for queue in conf.queues_for(model.CQRS_ID) if is_named(model, queue)]


def is_at_home(using: str, model: Any) -> bool:
    """Whether comparisons of ``model`` belong on this database: the only one that has its table, or one with rows."""
    homes = homes_of(model) or []
    return homes == [using] or (using in homes and model._base_manager.using(using).exists())


def homes_of(model: Any) -> list[str] | None:
    """The databases that have the table of ``model``; None while one of those that may have it is away."""
    places = tables.look(model._meta.concrete_model)
    return None if any(one.problem for one in places) else [one.using for one in places if one.is_here]


def request(using: str, model: Any, queue: str, wish: Wish, *, by_hand: bool = False) -> Reconciliation | None:
    """Ask for a run; None where one is active that will do.

    A deep comparison takes the place of a quick one, a person's that of any.
    """
    active = active_runs(using).filter(cqrs_id=model.CQRS_ID, queue=queue).first()
    if active is not None and not by_hand and (active.deep or not wish.deep):
        return None
    if active is not None:
        end(using, active.pk, Reconciliation.REPLACED, "Another comparison took its place.")
    now = clock.for_field(clock.now(using))
    moments = {"started_at": now, "heard_at": now}
    try:
        with transaction.atomic(using=using):
            return Reconciliation.objects.using(using).create(
                token=uuid.uuid4().hex, cqrs_id=model.CQRS_ID, queue=queue, **asdict(wish), **moments
            )
    except IntegrityError:  # somebody was quicker
        return None


def active_runs(using: str) -> Any:
    """Those that have not ended, oldest first."""
    return Reconciliation.objects.using(using).filter(active=True).order_by("id")


def rows_of(using: str, run: Reconciliation) -> Rows:
    """The master's rows as this run compares them."""
    model = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id)
    columns = [Column(*pair) for pair in run.columns]
    return master_rows(model, using, run.queue, columns, scheme_of(run), run.key_kind)


def scheme_of(run: Reconciliation) -> str:
    """How positions are made in this run."""
    return KEY if run.key_kind == INTEGER else HASH


@contextmanager
def closing(using: str, inquiry: Inquiry) -> Iterator[Reconciliation | None]:
    """A transaction in which ``inquiry`` is done with, and its run locked; None when somebody else was quicker."""
    with write_transaction(using):
        run = lock(using, inquiry.run_id)
        done = run is not None and Inquiry.objects.using(using).filter(pk=inquiry.pk).delete()[0]
        yield run if done else None


def lock(using: str, run_id: int) -> Reconciliation | None:
    """An active run, locked until the transaction ends."""
    run: Reconciliation | None = active_runs(using).filter(pk=run_id).select_for_update().first()
    return run


def note_drift(using: str, run: Reconciliation, kind: str, keys: Sequence[str]) -> None:
    """Count rows that differ on a run that is locked, and keep the first keys for people to see."""
    setattr(run, kind, getattr(run, kind) + len(keys))
    run.keys[kind] = [*run.keys.get(kind, []), *keys][:KEYS_KEPT]
    run.save(using=using, update_fields=[kind, "keys"])
    signals.drift_found.send_robust(Reconciliation, run=run, kind=kind, keys=list(keys), using=using)


def note_bytes(using: str, run_id: int, count: int, *, heard: bool = False) -> None:
    """Count what was sent to the replica or, ``heard``, came from it."""
    moment = {"heard_at": clock.for_field(clock.now(using))} if heard else {}
    runs = Reconciliation.objects.using(using).filter(pk=run_id)
    runs.update(bytes_exchanged=F("bytes_exchanged") + count, **moment)


def end(using: str, run_id: int, state: str, note: str = "") -> None:
    """End a run that is active, and forget its open questions."""
    with write_transaction(using):
        run = lock(using, run_id)
        if run is None:
            return
        run.inquiries.using(using).all().delete()
        run.state, run.note, run.active = state, note, None
        run.ended_at, run.leased_until = clock.for_field(clock.now(using)), None
        run.save(using=using, update_fields=["state", "note", "active", "ended_at", "leased_until"])
    signals.comparison_ended.send_robust(Reconciliation, run=run, using=using)


def prune(using: str, portion: int = 1_000) -> int:
    """Delete runs that ended more than ``tombstone_seconds`` ago; returns how many."""
    oldest = clock.for_field(clock.now(using) - timedelta(seconds=conf.service.tombstone_seconds))
    ended = Reconciliation.objects.using(using).filter(ended_at__lt=oldest)
    total = 0
    while ids := list(ended.values_list("id", flat=True)[:portion]):
        total += ended.filter(id__in=ids).delete()[1].get(Reconciliation._meta.label, 0)
    return total
