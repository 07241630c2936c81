"""The tables: Outbox, Destination (master), Letter, Attempt (replica), and Tombstone, Lock, Tick (both sides)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import models

from celery_cqrs.registry import NAME_LENGTH

KEY_LENGTH = 255
ERROR_LENGTH = 2_000


class KeyField(models.CharField):  # type: ignore[type-arg]
    """Text that every database compares byte by byte; MariaDB's usual collations would take "a" and "A" for one key."""

    def db_parameters(self, connection: Any) -> Any:
        """As CharField, with a binary collation on MariaDB and MySQL."""
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["type"] = f"{parameters['type']} CHARACTER SET utf8mb4"
            parameters["collation"] = key_collation(connection)
        return parameters


def key_collation(connection: Any) -> str:
    """The collation of key columns on MariaDB or MySQL."""
    return "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"


class WideTextField(models.TextField):  # type: ignore[type-arg]
    """Text in any language, also where the database of MariaDB or MySQL knows fewer characters."""

    def db_type(self, connection: Any) -> str | None:
        """As TextField, in UTF-8 on MariaDB and MySQL."""
        declared = super().db_type(connection)
        return f"{declared} CHARACTER SET utf8mb4" if connection.vendor == "mysql" else declared


class PlainField(models.TextField):  # type: ignore[type-arg]
    """Plain values kept as JSON text in ASCII, so that every database holds every character of every other one."""

    def get_prep_value(self, value: Any) -> str | None:
        """Plain value → JSON text."""
        return encode_plain(value) if self.null else json.dumps(value, separators=(",", ":"))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """JSON text → plain value."""
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        """Plain values stay as they are."""
        return value


def encode_plain(value: Any) -> str | None:
    """JSON text of a plain value; None stays None."""
    return None if value is None else json.dumps(value, separators=(",", ":"))


def clean_key(value: Any, length: int = KEY_LENGTH) -> str:
    """A key as a text that every database can hold: no NUL, no lone surrogate, not too long."""
    text = str(value).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    if len(text) <= length:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: length - 17]}…{digest}"


class Outbox(models.Model):
    """A change that one replica queue has not confirmed yet: pending (``sent_at`` is null) or sent."""

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

    class Meta:
        verbose_name_plural = "outbox"
        indexes = (
            models.Index(fields=["sent_at", "available_at", "id"], name="celery_cqrs_outbox_claim"),
            models.Index(fields=["pk_text", "cqrs_id"], name="celery_cqrs_outbox_key"),
        )

    def __str__(self) -> str:
        return f"{self.signal_type} {self.cqrs_id} {self.pk_text} for {self.queue}"


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
