"""The tables of comparisons: a run for each, and its open questions."""

from __future__ import annotations

from django.db import models

from celery_cqrs.columns import KeyField, PlainField, WideTextField
from celery_cqrs.registry import NAME_LENGTH


class Reconciliation(models.Model):
    """A run: one comparison of a model of this database with one replica queue; ``active`` until it ends, then null.

    ``position`` is how far the master has looked (null: at the start), ``walked`` that it has reached the end.
    ``columns`` are those compared, as pairs of name and kind; ``keys`` has the first keys of each kind of drift.
    """

    REQUESTED, RUNNING = "requested", "running"
    COMPLETE, NO_ANSWER, NOT_COMPARABLE = "complete", "no answer", "not comparable"
    BUSY, REPLACED, FAILED = "busy", "replaced", "failed"
    STATES = (REQUESTED, RUNNING, COMPLETE, NO_ANSWER, NOT_COMPARABLE, BUSY, REPLACED, FAILED)
    KINDS = ("missing", "extra", "stale", "content", "ahead", "letter")

    id = models.BigAutoField(primary_key=True)
    token = models.CharField(max_length=32, unique=True)
    cqrs_id = KeyField(max_length=NAME_LENGTH)
    queue = KeyField(max_length=NAME_LENGTH)
    active = models.BooleanField(null=True, default=True)
    state = models.CharField(max_length=16, default="requested")
    note = WideTextField(default="", blank=True)
    deep = models.BooleanField(default=False)
    repair = models.BooleanField(default=True)
    lift = models.BooleanField(default=False)
    force = models.BooleanField(default=False)
    key_kind = models.CharField(max_length=40, default="")
    columns = PlainField(default=list)
    position = models.BigIntegerField(null=True)
    walked = models.BooleanField(default=False)
    fence = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    heard_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    master_rows = models.BigIntegerField(default=0)
    replica_rows = models.BigIntegerField(default=0)
    missing = models.BigIntegerField(default=0)
    extra = models.BigIntegerField(default=0)
    stale = models.BigIntegerField(default=0)
    content = models.BigIntegerField(default=0)
    ahead = models.BigIntegerField(default=0)
    letter = models.BigIntegerField(default=0)
    repaired = models.BigIntegerField(default=0)
    bytes_exchanged = models.BigIntegerField(default=0)
    keys = PlainField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["cqrs_id", "queue", "active"], name="celery_cqrs_run_active"),)
        indexes = (
            models.Index(fields=["active"], name="celery_cqrs_run_open"),
            models.Index(fields=["ended_at"], name="celery_cqrs_run_age"),
        )

    def __str__(self) -> str:
        return f"{self.cqrs_id} with {self.queue}: {self.state}"

    @property
    def drift(self) -> int:
        """How many rows differ."""
        return sum(getattr(self, kind) for kind in self.KINDS)

    @property
    def remaining(self) -> int:
        """How many of them are not repaired."""
        return self.drift - self.repaired


class Inquiry(models.Model):
    """A question of a run that is not answered, or not asked yet (``asked_at`` is null); its id travels with it."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Reconciliation, models.CASCADE, related_name="inquiries")
    kind = models.CharField(max_length=8)
    payload = PlainField()
    asked_at = models.DateTimeField(null=True)
    tries = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind} of run {self.run_id}"
