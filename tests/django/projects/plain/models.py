"""One master model and one replica model."""

from django.db import models

from celery_cqrs.mixins import MasterMixin, ReplicaMixin


class Note(MasterMixin, models.Model):
    """Owned here."""

    CQRS_ID = "note"

    text = models.CharField(max_length=50)


class Visitor(ReplicaMixin, models.Model):
    """A copy of what another service owns."""

    CQRS_ID = "visitor"

    name = models.CharField(max_length=50)
