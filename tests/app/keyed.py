"""Masters and replicas with keys of other kinds than numbers, texts and UUIDs."""

from __future__ import annotations

from django.db import models

from celery_cqrs.mixins import MasterMixin, ReplicaMixin


class Holiday(MasterMixin, models.Model):
    """A day is its key; a holiday whose name is empty is deleted on the replicas."""

    CQRS_ID = "holiday"
    CQRS_DELETE_ON_LEAVE = True

    day = models.DateField(primary_key=True)
    name = models.CharField(max_length=20)

    def is_sync_instance(self) -> bool:
        """The filter, told in Python alone; it fails on demand."""
        if self.name == "?":
            raise RuntimeError("nobody knows")
        return bool(self.name)


class HolidayRef(ReplicaMixin, models.Model):
    """The same here."""

    CQRS_ID = "holiday"

    day = models.DateField(primary_key=True)
    name = models.CharField(max_length=20)


class Grade(MasterMixin, models.Model):
    """A decimal is its key; its filter is told in SQL as well."""

    CQRS_ID = "grade"
    CQRS_DELETE_ON_LEAVE = True

    mark = models.DecimalField(max_digits=4, decimal_places=2, primary_key=True)
    is_open = models.BooleanField(default=True)

    def is_sync_instance(self) -> bool:
        """The filter."""
        return self.is_open

    @classmethod
    def cqrs_sync_filter(cls) -> models.Q:
        """The same in SQL."""
        return models.Q(is_open=True)


class GradeRef(ReplicaMixin, models.Model):
    """The same here."""

    CQRS_ID = "grade"

    mark = models.DecimalField(max_digits=4, decimal_places=2, primary_key=True)
    is_open = models.BooleanField()
