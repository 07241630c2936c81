"""Bundles: outbox rows that stand for many keys, for what changes, or is sent again, by the thousand.

To insert, mark and delete a row for every key costs the database more than all the rest of publishing it. A bundle
costs that once for ``MOST_KEYS``. On the wire each key has a number of its own and is confirmed by itself; what needs
more than its key, an error for example, becomes an ordinary row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from celery_cqrs import conf
from celery_cqrs.columns import KEY_LENGTH
from celery_cqrs.database import clock
from celery_cqrs.database.keys import among
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.master import tracking
from celery_cqrs.master.claimed import FIRST_MEMBER, PLACES
from celery_cqrs.message import SignalType
from celery_cqrs.models import Outbox

MOST_KEYS = 500
LEAST_KEYS = 200
"""Fewer are captured as rows of their own."""
AT_ONCE = 20
"""Bundles in one statement, which may be no larger than a server takes."""

Places = Mapping[int, Collection[int]]
"""Bundle id → places of some of its keys."""


def are_enough(keys: Collection[str]) -> bool:
    """Whether ``keys`` (texts) are worth bundles; an oversized one is refused by its own row."""
    return len(keys) >= LEAST_KEYS and max(map(len, keys)) <= KEY_LENGTH


def may_bundle(model: Any) -> bool:
    """Whether a change of ``model`` carries nothing but its key: no previous values, no meta, no correlation id."""
    return not (tracking.is_tracked(model) or model.has_cqrs_meta() or conf.master.correlation_function)


def write(
    using: str, model: Any, signal_type: SignalType, keys: Sequence[str], queues: Iterable[str], *, direct: bool = False
) -> None:
    """Capture ``keys`` (texts), within the caller's transaction, for each of ``queues``."""
    moment = RawSQL(clock.now_sql(connections[using]), ())
    facts: dict[str, Any] = {"kind": Outbox.BUNDLE, "cqrs_id": model.CQRS_ID, "signal_type": signal_type.value}
    facts |= {"direct": direct, "captured_at": moment, "available_at": moment}
    parts: list[Any] = [list(keys[start : start + MOST_KEYS]) for start in range(0, len(keys), MOST_KEYS)]
    written = (Outbox(**facts, queue=queue, keys=part, size=len(part)) for queue in queues for part in parts)
    Outbox.objects.using(using).bulk_create(written, batch_size=AT_ONCE)


def split(numbers: Iterable[int]) -> tuple[list[int], dict[int, set[int]]]:
    """``numbers`` as they travel: the ids of rows, and the places in bundles."""
    ids: list[int] = []
    places: dict[int, set[int]] = defaultdict(set)
    for number in numbers:
        if number < FIRST_MEMBER:
            ids.append(number)
        else:
            row, place = divmod(number - FIRST_MEMBER, PLACES)
            places[row].add(place)
    return ids, places


def strike(rows: QuerySet[Outbox], places: Places) -> int:
    """Take settled keys out of those bundles that are among ``rows``; returns how many there still were."""
    struck, empty = 0, []
    with write_transaction(rows.db):
        for bundle in _locked(among(rows, "id", places)).only("id", "keys"):
            keys = [None if place in places[bundle.id] else key for place, key in enumerate(bundle.keys)]
            left = len(keys) - keys.count(None)
            struck += len(keys) - bundle.keys.count(None) - left
            if left:
                rows.filter(id=bundle.id).update(keys=keys, size=left)
            else:
                empty.append(bundle.id)
        if empty:
            Outbox.objects.using(rows.db).filter(id__in=empty).delete()
    return struck


def take_out(rows: QuerySet[Outbox], places: Mapping[int, Mapping[int, Mapping[str, Any]]] | None = None) -> int:
    """Make keys of bundles among ``rows`` ordinary rows: those at ``places``, with changes for each, or all of them."""
    taken = 0
    with write_transaction(rows.db):
        for bundle in _locked(rows if places is None else among(rows, "id", places)):
            chosen = {place: {} for place in range(len(bundle.keys))} if places is None else places[bundle.id]
            keys = {place: bundle.keys[place] for place in chosen if bundle.keys[place] is not None}
            Outbox.objects.using(rows.db).bulk_create(_single(bundle, keys[place], chosen[place]) for place in keys)
            strike(rows, {bundle.id: set(chosen)})
            taken += len(keys)
    return taken


def holding(rows: QuerySet[Outbox], key: str) -> list[int]:
    """The bundles among ``rows`` that hold ``key``; SQLite's search minds no letter case, so what it finds is read."""
    found: Any = rows.filter(kind=Outbox.BUNDLE, keys__contains=json.dumps(key)).values_list("id", "keys")
    return [bundle_id for bundle_id, keys in found.iterator() if key in keys]


def keys_waiting(rows: QuerySet[Outbox], keys: Collection[str]) -> set[str]:
    """Those of ``keys`` that bundles among ``rows`` have."""
    wanted = set(keys)
    bundles: Any = rows.filter(kind=Outbox.BUNDLE).values_list("keys", flat=True)
    return {key for held in bundles.iterator() for key in held if key in wanted}


def _locked(rows: QuerySet[Outbox]) -> QuerySet[Outbox]:
    """In an order, for there may be two who settle them."""
    return rows.filter(kind=Outbox.BUNDLE).order_by("id").select_for_update()


def _single(bundle: Outbox, key: str, changes: Mapping[str, Any]) -> Outbox:
    names = [field.name for field in Outbox._meta.concrete_fields if field.name not in ("id", "kind", "keys", "size")]
    return Outbox(**{**{name: getattr(bundle, name) for name in names}, "pk_text": key, **changes})
