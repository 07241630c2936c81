"""When all is quiet: is every replica what the master is, and did it become so by right?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections

from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.registry import MasterRegistry
from tests.convergence.models import REPLICAS, FlagInBulk, Step
from tests.convergence.tally import BULK, Tally, path_of
from tests.convergence.watch import steps_back
from tests.harness.comparison import differences

LEAST_SHARE = 0.1
HOSTILE = ("duplicates", "reordered", "refused")


def wrongs_of(using: str, tally: Tally) -> list[str]:
    """Everything that is not as it should be, a sentence each."""
    return [
        *steps_back(Step.objects.order_by("id").iterator()),
        *unlike(),
        *unfinished(),
        *(f"a message died: {reason}" for reason in tally.deaths),
        *_wrong_ways(using, tally),
        *_too_calm(tally),
    ]


def unlike() -> Iterator[str]:
    """Where a replica differs from its master in any column."""
    for replica in REPLICAS:
        master: Any = MasterRegistry.get_model_by_cqrs_id(replica.CQRS_ID)
        names = [field.name for field in master._meta.concrete_fields]
        names.sort(key=lambda name: name != master._meta.pk.name)
        ours = [(replica.CQRS_MAPPING or {}).get(name, name) for name in names]
        pairs = (master._base_manager.values_list(*names), replica._base_manager.values_list(*ours))
        yield from (f"{replica.__name__} {line}" for line in differences(names, *pairs))


def unfinished() -> Iterator[str]:
    """What is still to be done."""
    for letter in Letter.objects.all():
        yield f"a letter is open: {letter}: {letter.reason}"
    if waiting := Outbox.objects.count():
        yield f"{waiting} outbox rows were never confirmed"
    if held := Tombstone.objects.filter(revision=Tombstone.PLACEHOLDER).count():
        yield f"{held} placeholders were left behind"


def _wrong_ways(using: str, tally: Tally) -> Iterator[str]:
    """Each replica's messages go the way that it asks for, all of them."""
    for model in REPLICAS:
        in_bulk = path_of(model.CQRS_ID) == BULK and not (model is FlagInBulk and connections[using].vendor == "mysql")
        if not tally.ways[(model.CQRS_ID, in_bulk)] or tally.ways[(model.CQRS_ID, not in_bulk)]:
            yield f"{model.__name__} did not go the way that it asks for"


def _too_calm(tally: Tally) -> Iterator[str]:
    """A run that was not hostile proves nothing."""
    for path, count in tally.counts.items():
        for name in HOSTILE:
            if count.share(name) < LEAST_SHARE:
                yield f"only {count.share(name):.1%} of the deliveries ({path}) were {name}"
