"""Replicas that refer to each other, and to a table that is no replica."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from celery_cqrs.mixins import ReplicaMixin


class LandRef(ReplicaMixin, models.Model):
    """Refers to one of its towns, or to none."""

    CQRS_ID = "land"

    capital = models.ForeignKey("TownRef", models.DO_NOTHING, null=True, related_name="+")


class TownRef(ReplicaMixin, models.Model):
    """Lies in a land, which the master calls "country"."""

    CQRS_ID = "town"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"id": "id", "country": "land"}

    land = models.ForeignKey(LandRef, models.DO_NOTHING)


class LockRef(ReplicaMixin, models.Model):
    """Is never without its key."""

    CQRS_ID = "lock"

    key = models.ForeignKey("KeyRef", models.DO_NOTHING, related_name="+")


class KeyRef(ReplicaMixin, models.Model):
    """Is never without its lock."""

    CQRS_ID = "key"

    lock = models.ForeignKey(LockRef, models.DO_NOTHING)


class District(models.Model):
    """Known to the replica alone."""

    name = models.CharField(max_length=20)


class VisitRef(ReplicaMixin, models.Model):
    """Refers to a table that is no replica, and perhaps to one that is."""

    CQRS_ID = "visit"

    district = models.ForeignKey(District, models.DO_NOTHING)
    town = models.ForeignKey(TownRef, models.DO_NOTHING, null=True)
    number = models.IntegerField(unique=True, null=True)


class HookedLandRef(LandRef):
    """The same rows, written by hooks; some numbers are not wanted."""

    CQRS_ID = "hooked_land"
    unwanted: ClassVar[set[int]] = set()

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, **kwargs: Any) -> Any:
        """As the original, if the number is wanted."""
        if mapped_data["id"] in cls.unwanted:
            raise RuntimeError("not this one")
        return super().cqrs_create(sync, mapped_data, **kwargs)
