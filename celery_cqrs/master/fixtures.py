"""Rows from fixtures are written as they stand; their revision is lifted above what is stored first."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.utils import timezone

from celery_cqrs.master.revision import has_parent_revision, home_of


def lift(instance: Any, using: str) -> None:
    """Raise the revision of ``instance``, which may be missing or older, above the stored one."""
    stored = home_of(type(instance))._base_manager.using(using).filter(pk=instance.pk)
    if has_parent_revision(type(instance)):
        stored.update(cqrs_revision=F("cqrs_revision") + 1)
        return
    revision = stored.select_for_update().values_list("cqrs_revision", flat=True).first()
    if revision is not None:
        instance.cqrs_revision = max(revision, instance.cqrs_revision or 0) + 1
    if instance.cqrs_updated is None:
        instance.cqrs_updated = timezone.now()
