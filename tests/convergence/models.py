"""Three masters, each under two ids: one replica takes its messages in bulk, the other instance by instance."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from celery_cqrs.mixins import MasterMixin, ReplicaMixin
from celery_cqrs.models import Attempt, Destination, Letter, Outbox, Tombstone


class Cargo(models.Model):
    """Columns of several kinds, to be equal one by one."""

    mark = models.CharField(max_length=50)
    weight = models.DecimalField(max_digits=12, decimal_places=4, default=0)
    seen = models.DateTimeField(null=True)
    papers = models.JSONField(null=True)

    class Meta:
        abstract = True


class Port(MasterMixin, Cargo):
    """Ships have their home here."""

    CQRS_ID = "port"


class PortAgain(Port):
    """The same rows under another id."""

    CQRS_ID = "port, by hooks"

    class Meta:
        proxy = True


class Ship(MasterMixin, Cargo):
    """Sinks with its port."""

    CQRS_ID = "ship"

    port = models.ForeignKey(Port, models.CASCADE)


class ShipAgain(Ship):
    """The same rows under another id."""

    CQRS_ID = "ship, by hooks"

    class Meta:
        proxy = True


class Flag(MasterMixin, Cargo):
    """Its key is a text that the application chooses."""

    CQRS_ID = "flag"

    code = models.CharField(max_length=20, primary_key=True)


class FlagAgain(Flag):
    """The same rows under another id."""

    CQRS_ID = "flag, by hooks"

    class Meta:
        proxy = True


class PortInBulk(ReplicaMixin, Cargo):
    """Replica."""

    CQRS_ID = "port"


class PortByHooks(ReplicaMixin, Cargo):
    """Replica."""

    CQRS_ID = "port, by hooks"
    CQRS_APPLY = "instance"


class ShipInBulk(ReplicaMixin, Cargo):
    """Replica, its foreign key kept."""

    CQRS_ID = "ship"

    port = models.ForeignKey(PortInBulk, models.DO_NOTHING)


class ShipByHooks(ReplicaMixin, Cargo):
    """Replica, its foreign key kept."""

    CQRS_ID = "ship, by hooks"
    CQRS_APPLY = "instance"

    port = models.ForeignKey(PortByHooks, models.DO_NOTHING)


class Colours(ReplicaMixin, Cargo):
    """Another name for the key and for a column."""

    CQRS_MAPPING: ClassVar[dict[str, str]] = {
        "code": "number",
        "mark": "motto",
        "weight": "weight",
        "seen": "seen",
        "papers": "papers",
    }

    number = models.CharField(max_length=20, primary_key=True)
    mark = None
    motto = models.CharField(max_length=50)

    class Meta:
        abstract = True


class FlagInBulk(Colours):
    """Replica; MariaDB takes no text keys in bulk."""

    CQRS_ID = "flag"


class FlagByHooks(Colours):
    """Replica."""

    CQRS_ID = "flag, by hooks"
    CQRS_APPLY = "instance"


class Step(models.Model):
    """What triggers have seen on the replicas: a revision was changed, or a deletion remembered (``is_grave``).

    ``revision`` is the new one; None: the row is gone.
    """

    cqrs_id = models.CharField(max_length=50)
    key_text = models.CharField(max_length=50)
    is_grave = models.BooleanField()
    revision = models.IntegerField(null=True)


MASTERS = (Port, Ship, Flag)  # parents first
REPLICAS = (PortInBulk, PortByHooks, ShipInBulk, ShipByHooks, FlagInBulk, FlagByHooks)


def wipe(using: str) -> None:
    """Begin again: no rows of any kind."""
    for model in (*REPLICAS[::-1], *MASTERS[::-1], Step, Outbox, Destination, Letter, Tombstone, Attempt):
        model._base_manager.using(using).all()._raw_delete(using)
