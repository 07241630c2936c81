"""The master's life: changes of a few hot keys, in transactions and savepoints of which some are rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import DatabaseError, IntegrityError, transaction

from celery_cqrs.database.faults import is_infrastructure
from celery_cqrs.database.locks import write_transaction
from tests.convergence.models import MASTERS, Flag, Port, Ship

ROLLED_BACK = 0.15
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Life:
    """Changes made by ``chance`` of so many ``keys`` of each model, the first of them hot.

    ``held`` are instances in memory, as stale as they may become. ``conflicts`` counts what the database refused.
    """

    def __init__(self, chance: Random, using: str, *, keys: int = 40) -> None:
        self.chance = chance
        self.using = using
        self.count = keys
        self.held: dict[tuple[type, Any], Any] = {}
        self.changes = 0
        self.conflicts = 0

    def transaction(self) -> None:
        """A few savepoints of a few changes; what the database refuses, another writer being there, is rolled back."""
        try:
            with write_transaction(self.using), self.ending(kept=self.is_kept()):
                for _ in range(self.chance.randint(1, 3)):
                    self.savepoint()
        except DatabaseError as error:
            if not is_others_doing(error):
                raise
            self.conflicts += 1

    def savepoint(self) -> None:
        """One change or more, kept or not."""
        names, weights = list(CHANGES), [weight for _, weight in CHANGES.values()]
        with self.ending(kept=self.is_kept()):
            for name in self.chance.choices(names, weights, k=self.chance.choice([1, 1, 1, 2, 3])):
                self.change(name, self.chance.choice(MASTERS))

    @contextmanager
    def ending(self, *, kept: bool) -> Iterator[None]:
        """A transaction or savepoint, rolled back unless it is to be kept; memory is not."""
        with transaction.atomic(using=self.using):
            yield
            transaction.set_rollback(not kept, using=self.using)

    def is_kept(self) -> bool:
        """Most are."""
        return self.chance.random() > ROLLED_BACK

    def change(self, name: str, model: Any) -> None:
        """Change ``model`` in the way of this name, a key of CHANGES."""
        self.changes += 1
        CHANGES[name][0](self, model)

    # ── the ways ───────────────────────────────────────────────────────────────────────────────────────────────────
    def save(self, model: Any) -> None:
        """Create or update a key, as it is in the database."""
        key = self.key(model)
        found = model.objects.filter(pk=key).first() or model(pk=key)
        self.store(found)

    def save_what_is_held(self, model: Any) -> None:
        """Write what memory believes: over a newer row, or a new life of a key that was deleted."""
        key = self.key(model)
        self.store(self.held.get((model, key)) or model(pk=key))

    def save_a_field(self, model: Any) -> None:
        """Only one column."""
        found = model.objects.filter(pk=self.key(model)).first()
        if found is not None:
            found.mark = self.mark()
            found.save(update_fields=["mark"], update_cqrs_fields=True)

    def delete(self, model: Any) -> None:
        """Delete a key, if it is there."""
        for found in model.objects.filter(pk=self.key(model)):
            found.delete()

    def delete_what_is_held(self, model: Any) -> None:
        """Delete what memory knows at an old revision, or what somebody has deleted since."""
        held = self.held.pop((model, self.key(model)), None)
        if held is not None:
            held.delete()

    def recreate(self, model: Any) -> None:
        """Delete a key and create it again, at once."""
        key = self.key(model)
        model.objects.filter(pk=key).delete()
        self.store(model(pk=key))

    def create_in_bulk(self, model: Any) -> None:
        """All keys that are not there."""
        there = set(model.objects.values_list("pk", flat=True))
        wanted = [model(pk=key) for key in self.keys(model) if key not in there]
        self.require_ports(model)
        model.cqrs.bulk_create([self.filled(one) for one in wanted])

    def update_in_bulk(self, model: Any) -> None:
        """A part of the keys."""
        some = self.chance.sample(self.keys(model), self.count // 2)
        model.cqrs.bulk_update(model.objects.filter(pk__in=some), mark=self.mark())

    def delete_in_bulk(self, model: Any) -> None:
        """Two keys, with what depends on them."""
        model.objects.filter(pk__in=self.chance.sample(self.keys(model), 2)).delete()

    def sync(self, model: Any) -> None:
        """Ask for a key to be sent again as it is."""
        for found in model.objects.filter(pk=self.key(model)):
            found.cqrs_sync()

    # ── what they are made of ──────────────────────────────────────────────────────────────────────────────────────
    def store(self, instance: Any) -> None:
        """Fill and save, and remember it."""
        self.require_ports(type(instance))
        key = instance.pk
        self.filled(instance).save()
        self.held[(type(instance), key)] = instance

    def filled(self, instance: Any) -> Any:
        """``instance`` with other values in all of its columns."""
        instance.mark = self.mark()
        instance.weight = Decimal(self.chance.randrange(10**7)) / 10**4
        instance.seen = self.chance.choice([None, EPOCH + timedelta(seconds=self.chance.randrange(10**8))])
        instance.papers = self.chance.choice([None, {"crew": [self.chance.randrange(9)]}, []])
        if isinstance(instance, Ship):
            instance.port_id = self.chance.choice(self.ports)
        return instance

    def require_ports(self, model: Any) -> None:
        """A ship needs one."""
        if model is Ship:
            self.ports = list(Port.objects.values_list("pk", flat=True))
            if not self.ports:
                self.store(Port(pk=self.key(Port)))
                self.ports = list(Port.objects.values_list("pk", flat=True))

    def key(self, model: Any) -> Any:
        """A key of ``model``, a hot one more often than not."""
        return self.keys(model)[min(self.chance.randrange(self.count) for _ in range(3))]

    def keys(self, model: Any) -> list[Any]:
        """The few keys that all changes are about."""
        return [f"flag/{number}" if model is Flag else number for number in range(1, self.count + 1)]

    def mark(self) -> str:
        """A text, now and then one that JSON has to escape."""
        return self.chance.choice(["", "é \\ \"'", "\U0001f6a2 "]) + str(self.chance.randrange(100))


def is_others_doing(error: DatabaseError) -> bool:
    """Whether another writer is the reason: a deadlock, a key or a parent that it took, a row it deleted meanwhile."""
    return is_infrastructure(error) or isinstance(error, IntegrityError) or type(error) is DatabaseError


CHANGES: dict[str, tuple[Callable[[Life, Any], None], int]] = {
    "save": (Life.save, 8),
    "save what is held": (Life.save_what_is_held, 3),
    "save a field": (Life.save_a_field, 3),
    "delete": (Life.delete, 3),
    "delete what is held": (Life.delete_what_is_held, 2),
    "recreate": (Life.recreate, 3),
    "create in bulk": (Life.create_in_bulk, 3),
    "update in bulk": (Life.update_in_bulk, 4),
    "delete in bulk": (Life.delete_in_bulk, 2),
    "sync": (Life.sync, 1),
}
