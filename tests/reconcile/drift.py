"""Rows of both sides, and what may happen to them without a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from celery_cqrs.models import Outbox, Reconciliation
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef

FIVE = {"missing": 1, "extra": 2, "stale": 1, "content": 1}
"""What ``make_five_kinds`` does, as runs count it: a deleted row that is back is an extra one."""


def create_authors(count: int = 60) -> None:
    """Authors on the master, named by their numbers."""
    Author.cqrs.bulk_create([Author(id=number, name=f"author {number}") for number in range(1, count + 1)])


def make_five_kinds() -> None:
    """Of the authors 1 to 60 on both sides one is missing, one extra, one stale, one edited by hand, one back."""
    kept = AuthorRef.objects.get(pk=50)
    Author.objects.get(pk=50).delete()
    forget_changes()
    AuthorRef.objects.filter(pk=50).delete()
    AuthorRef.objects.bulk_create([kept])
    AuthorRef.objects.filter(pk=10).delete()
    AuthorRef.objects.create(id=900, name="nobody", cqrs_revision=4, cqrs_updated=timezone.now())
    Author.objects.filter(pk=20).update(name="renamed", cqrs_revision=5)
    AuthorRef.objects.filter(pk=30).update(name="edited")


def forget_changes() -> None:
    """What is captured never arrives."""
    MemoryTransport.clear()
    Outbox.objects.all().delete()


def contents(model: type[Any]) -> list[tuple[Any, ...]]:
    """The rows of authors on one side."""
    return sorted(model._base_manager.values_list("id", "name", "born", "rival", "cqrs_revision"))


def counts(run: Reconciliation) -> dict[str, int]:
    """The drift that a run has found, by kind."""
    return {kind: getattr(run, kind) for kind in run.KINDS if getattr(run, kind)}


def states(runs: Iterable[Reconciliation]) -> list[str]:
    """How they ended."""
    return [run.state for run in runs]
