"""The tables of the master (Outbox, Destination), of the replica (Letter, Attempt), and of both."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models

from celery_cqrs.columns import KEY_LENGTH, KeyField, PlainField, WideTextField
from celery_cqrs.comparisons import Inquiry as Inquiry
from celery_cqrs.comparisons import Reconciliation as Reconciliation
from celery_cqrs.positions import Position as Position
from celery_cqrs.registry import NAME_LENGTH

LAST_YEAR = 9000
"""What is available later than that never is; some years before NEVER, for time zones and for tests."""


class Outbox(models.Model):
    """A change that one replica queue has not confirmed yet: pending (``sent_at`` is null) or sent.

    A bundle (by its ``kind``; ``master/bundles.py``) is such a row for many ``keys`` of one model; ``size`` says how
    many of them are not confirmed.
    """

    SYNC, BUNDLE = "sync", "bundle"
    NEVER = datetime(9999, 1, 1, tzinfo=UTC)
    """``available_at`` of a held row."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16, default="sync")
    queue = KeyField(max_length=NAME_LENGTH)
    cqrs_id = KeyField(max_length=NAME_LENGTH)
    pk_text = KeyField(max_length=KEY_LENGTH, db_column="pk")
    signal_type = models.CharField(max_length=8)
    revision = models.BigIntegerField(null=True)
    previous_data = PlainField(null=True)
    custom = PlainField(null=True)
    meta = PlainField(null=True)
    correlation_id = PlainField(null=True)
    direct = models.BooleanField(default=False)
    captured_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    available_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    error = WideTextField(default="", blank=True)
    keys = PlainField(null=True)
    size = models.IntegerField(default=1)

    class Meta:
        verbose_name_plural = "outbox"
        indexes = (
            models.Index(fields=["sent_at", "available_at", "id"], name="celery_cqrs_outbox_claim"),
            models.Index(fields=["pk_text", "cqrs_id"], name="celery_cqrs_outbox_key"),
        )

    def __str__(self) -> str:
        return f"{self.signal_type} {self.cqrs_id} {self.named_keys} for {self.queue}"

    @property
    def named_keys(self) -> str:
        """The key, or how many there are."""
        return str(self.pk_text) if self.kind != self.BUNDLE else f"({self.size} keys)"

    @property
    def is_held(self) -> bool:
        """Whether something that it should carry is missing for ever: a person lets it go without, or a newer one."""
        return bool(self.error) and self.available_at.year > LAST_YEAR


class Destination(models.Model):
    """What the master knows of one replica queue: the evidence for resending, and how publishing to it failed."""

    queue = KeyField(max_length=NAME_LENGTH, primary_key=True)
    confirmed_stamp = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    probed_at = models.DateTimeField(null=True)
    probe_seconds = models.FloatField(null=True)
    rests_until = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = WideTextField(null=True)

    def __str__(self) -> str:
        return str(self.queue)


class Tombstone(models.Model):
    """The revision at which a key was deleted; ``side`` keeps master and replica of one id apart in one database."""

    MASTER = "master"
    REPLICA = "replica"
    PLACEHOLDER = -1

    id = models.BigAutoField(primary_key=True)
    side = models.CharField(max_length=8)
    cqrs_id = KeyField(max_length=NAME_LENGTH)
    pk_text = KeyField(max_length=KEY_LENGTH, db_column="pk")
    revision = models.BigIntegerField()
    deleted_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["pk_text", "cqrs_id", "side"], name="celery_cqrs_tombstone_key"),
        )
        indexes = (models.Index(fields=["deleted_at"], name="celery_cqrs_tombstone_age"),)

    def __str__(self) -> str:
        return f"{self.cqrs_id} {self.pk_text} deleted at revision {self.revision}"


class Letter(models.Model):
    """A message that failed and waits for its next try (retrying), for the row ``parent_key`` of ``parent`` that it
    refers to (waiting, until ``waits_until``), for a person (dead), or for the master's answer (asked).

    One per queue, id and key, the newest wins. ``attempts`` counts the tries; of an asked letter the questions.
    """

    RETRYING = "retrying"
    WAITING = "waiting"
    DEAD = "dead"
    ASKED = "asked"
    STATES = (RETRYING, WAITING, DEAD, ASKED)

    id = models.BigAutoField(primary_key=True)
    queue = KeyField(max_length=NAME_LENGTH)
    cqrs_id = KeyField(max_length=NAME_LENGTH)
    pk_text = KeyField(max_length=KEY_LENGTH, db_column="pk")
    signal_type = models.CharField(max_length=8, default="")
    revision = models.BigIntegerField(default=-1)
    payload = PlainField()
    reason = WideTextField()
    state = models.CharField(
        max_length=8, choices=[(state, state) for state in ("retrying", "waiting", "dead", "asked")]
    )
    attempts = models.IntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    parent = KeyField(max_length=NAME_LENGTH, default="", blank=True)
    parent_key = KeyField(max_length=KEY_LENGTH, default="", blank=True)
    waits_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["pk_text", "cqrs_id", "queue"], name="celery_cqrs_letter_key"),)
        indexes = (
            models.Index(fields=["state", "not_before"], name="celery_cqrs_letter_due"),
            models.Index(fields=["state", "updated_at"], name="celery_cqrs_letter_age"),
            models.Index(fields=["queue", "state", "parent", "parent_key"], name="celery_cqrs_letter_parent"),
        )
        permissions = (("replay_letter", "Can replay letters"),)

    def __str__(self) -> str:
        return f"{self.state} {self.signal_type} {self.cqrs_id} {self.pk_text}"


class Attempt(models.Model):
    """Starts of a suspect message that have not ended: it may be killing the worker. ``holder`` made the last one."""

    key = models.CharField(max_length=64, primary_key=True)
    starts = models.IntegerField(default=0)
    started_at = models.DateTimeField()
    holder = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.starts} starts of {self.key}"


class Tick(models.Model):
    """When a task of beat's last ran: a service whose beat has stopped looks healthy otherwise."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.name)


class Lock(models.Model):
    """One row per CQRS_ID, locked while a batch is applied (MariaDB; PostgreSQL has advisory locks)."""

    cqrs_id = KeyField(max_length=NAME_LENGTH, primary_key=True)

    def __str__(self) -> str:
        return str(self.cqrs_id)
