"""Where long commands have come to: written together with what they did, so that another run can go on from there."""

from __future__ import annotations

import hashlib
from typing import Any, Self

from django.db import models

from celery_cqrs.columns import KEY_LENGTH, KeyField


class Position(models.Model):
    """``name`` says which command with which arguments, ``place`` the last key or line, ``done`` how many rows."""

    name = KeyField(max_length=KEY_LENGTH, primary_key=True)
    place = KeyField(max_length=KEY_LENGTH)
    done = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.done} rows, at {self.place}"

    @classmethod
    def find(cls, using: str, name: str) -> Self | None:
        """Where the run of this name has come to; None when there is none, or it has ended."""
        return cls.objects.using(using).filter(name=name).first()

    @classmethod
    def note(cls, using: str, name: str, place: str, done: int) -> None:
        """Remember it, in the caller's transaction."""
        cls(name=name, place=place, done=done).save(using=using)

    @classmethod
    def forget(cls, using: str, name: str) -> None:
        """The run of this name has ended."""
        cls.objects.using(using).filter(name=name).delete()


def name_of(command: str, cqrs_id: str, *arguments: Any) -> str:
    """The name of a run: readable as far as it goes, and another one for other arguments."""
    digest = hashlib.sha256(repr((cqrs_id, *arguments)).encode()).hexdigest()[:32]
    return f"{command} {cqrs_id[:100]} {digest}"
