"""The state of this service in figures, from its own tables: any process can read it, also when no worker runs."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import Error, connections, router
from django.db.models import Count, Max

from celery_cqrs import conf
from celery_cqrs.database import clock, tables
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master.backlog import Backlog, Overfull, read_backlogs
from celery_cqrs.master.contact import Contact, read_contacts
from celery_cqrs.models import Letter, Outbox, Reconciliation, Tick
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry
from celery_cqrs.serialize import to_plain


@dataclass(frozen=True)
class Comparison:
    """The last comparison of a model with a replica queue: rows that differed, and those of them not repaired."""

    using: str
    cqrs_id: str
    queue: str
    state: str
    started_at: datetime | None
    drift: int
    remaining: int


@dataclass(frozen=True)
class Status:
    """Backlogs and contacts of the replica queues, the last comparisons, letters by state, seconds since each beat task
    last ran.

    ``databases`` are those on which our tables belong; of one that is away nothing else is told.
    """

    service: str
    roles: list[str]
    databases: list[tables.Presence]
    backlogs: list[Backlog]
    contacts: list[Contact]
    overfull: list[Overfull]
    comparisons: list[Comparison]
    letters: dict[str, int]
    silence_seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values; the keys are stable."""
        plain: dict[str, Any] = to_plain(asdict(self))
        return plain

    def problems(self, limits: Mapping[str, Any]) -> Iterator[str]:
        """One phrase for each overfull queue, and for each limit that is passed: max_rows, max_lag (seconds), max_dead,
        max_silence (seconds); None for no limit.
        """
        for one in self.overfull:
            yield f"{one.rows} rows of {one.using} wait for {one.queue}, and outbox_max_rows is {one.limit}"
        for name, (figure, unit) in self._figures().items():
            if limits.get(name) is not None and figure > limits[name]:
                yield f"{figure:g} {unit}, more than {limits[name]:g}"

    def _figures(self) -> dict[str, tuple[float, str]]:
        rows = _rows_per_queue(self.backlogs, lambda one: one.queue)
        sweeps = ["retry", *(["drain"] if conf.master.replicas else [])]
        silence = max(self.silence_seconds.get(name, math.inf) for name in sweeps)
        return {
            "max_rows": (max(rows.values(), default=0), "rows wait for one queue"),
            "max_lag": (max((one.lag_seconds for one in self.backlogs), default=0), "seconds since the oldest change"),
            "max_dead": (self.letters[Letter.DEAD], "dead letters"),
            "max_silence": (silence, "seconds since beat's last sweep"),
        }


def read_status() -> Status:
    """Read the figures; a handful of grouped queries per database. Raises django.db.Error when one goes away."""
    databases = tables.look(Outbox)
    here = [one.using for one in databases if one.is_here]
    backlogs = [backlog for using in here for backlog in read_backlogs(using)]
    return Status(
        service=conf.service.queue,
        roles=_roles(),
        databases=databases,
        backlogs=backlogs,
        contacts=[contact for using in here for contact in read_contacts(using)],
        overfull=_overfull(backlogs),
        comparisons=[one for using in here for one in _read_comparisons(using)],
        letters=_count_letters(),
        silence_seconds=_read_silence(),
    )


def _read_comparisons(using: str) -> list[Comparison]:
    """The newest run of each model and queue."""
    rows = Reconciliation.objects.using(using)
    newest = rows.values("cqrs_id", "queue").order_by().annotate(newest=Max("id")).values("newest")
    found = rows.filter(id__in=newest).order_by("cqrs_id", "queue")
    return [
        Comparison(using, one.cqrs_id, one.queue, one.state, clock.from_field(one.started_at), one.drift, one.remaining)
        for one in found
    ]


def note_tick(name: str) -> None:
    """Note that the beat task ``name`` runs now."""
    using = router.db_for_write(Tick)
    has_target = connections[using].features.supports_update_conflicts_with_target
    with contextlib.suppress(Error), write_transaction(using):  # a figure for people must not stop the work
        Tick.objects.using(using).bulk_create(
            [Tick(name=name, at=clock.for_field(clock.now(using)))],
            update_conflicts=True,
            update_fields=["at"],
            unique_fields=["name"] if has_target else None,
        )


def _roles() -> list[str]:
    is_master = bool(MasterRegistry.models or conf.master.replicas)
    return [*(["master"] if is_master else []), *(["replica"] if ReplicaRegistry.models else [])]


def _rows_per_queue(backlogs: Iterable[Backlog], key: Any) -> Counter[Any]:
    rows: Counter[Any] = Counter()
    for one in backlogs:
        rows[key(one)] += one.rows
    return rows


def _overfull(backlogs: Iterable[Backlog]) -> list[Overfull]:
    limit = conf.master.outbox_max_rows
    rows = _rows_per_queue(backlogs, lambda one: (one.using, one.queue))
    if limit is None:
        return []
    return [Overfull(using, queue, count, limit) for (using, queue), count in rows.items() if count > limit]


def _count_letters() -> dict[str, int]:
    counts = dict.fromkeys(Letter.STATES, 0)
    for using in tables.aliases(Letter):
        for state, count in Letter.objects.using(using).values_list("state").annotate(Count("id")):
            counts[state] += count
    return counts


def _read_silence() -> dict[str, float]:
    """By the clock of the database, which noted the ticks; the clocks of hosts may differ."""
    ages: dict[str, float] = {}
    for using in tables.aliases(Tick):
        now = clock.now(using)
        for tick in Tick.objects.using(using):
            age = (now - (clock.from_field(tick.at) or now)).total_seconds()
            ages[tick.name] = min(age, ages.get(tick.name, math.inf))
    return dict(sorted(ages.items()))
