"""``Model.cqrs``: bulk writes that are captured."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, models, router, transaction
from django.utils import timezone

from celery_cqrs import signals
from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master import capture, tracking
from celery_cqrs.serialize import target_of

UPDATE_ROWS = 500


class MasterQuerySet(models.QuerySet[Any]):
    """A queryset whose bulk calls are captured in the same transaction."""

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's, and each row is captured. Conflict options are refused: what they change cannot be known."""
        instances = list(objs)
        using = self._write_alias()
        if any((kwargs.get("ignore_conflicts"), kwargs.get("update_conflicts"), *args[1:3])):  # batch_size comes first
            problem = "cqrs.bulk_create takes no conflict options, since what they change cannot be captured."
            raise ModelRefused(model=self.model.__name__, problem=problem)
        self._refuse_unknown_keys(instances, using)
        with transaction.atomic(using=using, savepoint=False):
            previous = [_tell(one, tracking.previous_values(one, True, one.pk is not None)) for one in instances]
            created: list[Any] = models.QuerySet(self.model, using=using).bulk_create(instances, *args, **kwargs)
            changes = [capture.Change(one, True, told) for one, told in zip(created, previous, strict=True)]
            capture.capture_saves(changes, using, together=True)
            capture.publish_after_commit(using)
        signals.post_bulk_create.send(self.model, instances=created, using=using)
        return created

    async def abulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The asynchronous ``bulk_create``."""
        return await sync_to_async(self.bulk_create)(objs, *args, **kwargs)

    def _write_alias(self) -> str:
        return write_alias(self)

    def _refuse_unknown_keys(self, instances: Sequence[Any], using: str) -> None:
        """A row whose key the database makes and does not tell cannot be captured."""
        if connections[using].features.can_return_rows_from_bulk_insert:
            return
        if any(instance.pk is None for instance in instances):
            problem = "this database does not tell the keys of rows created in bulk; set them, or save one by one."
            raise ModelRefused(model=self.model.__name__, problem=problem)


class MasterManager(models.Manager.from_queryset(MasterQuerySet)):  # type: ignore[misc]
    """Adds captured bulk writes to a master model."""

    def bulk_update(self, queryset: models.QuerySet[Any], **field_values: Any) -> int:
        """Set ``field_values`` on all rows of ``queryset``, raise their revisions and capture each; returns the count.

        The rows are locked first and then updated by key, so that exactly the rows that change are captured.
        """
        using = write_alias(queryset)
        with transaction.atomic(using=using, savepoint=False):
            wanted = self.model._base_manager.using(using).filter(pk__in=queryset.using(using).order_by().values("pk"))
            locked = wanted.order_by("pk").select_for_update().values_list("pk", flat=True)
            pks = _compact(self.model, locked.iterator(chunk_size=UPDATE_ROWS))
            starts = range(0, len(pks), UPDATE_ROWS)
            count = sum(self._update_chunk(using, list(pks[at : at + UPDATE_ROWS]), field_values) for at in starts)
            capture.publish_after_commit(using)
        return count

    async def abulk_update(self, queryset: models.QuerySet[Any], **field_values: Any) -> int:
        """The asynchronous ``bulk_update``."""
        return await sync_to_async(self.bulk_update)(queryset, **field_values)

    def _update_chunk(self, using: str, pks: list[Any], field_values: dict[str, Any]) -> int:
        rows = self.model._base_manager.using(using).filter(pk__in=pks)
        before = {one.pk: tracking.present_values(one) for one in rows} if tracking.is_tracked(self.model) else {}
        count = rows.update(cqrs_revision=models.F("cqrs_revision") + 1, cqrs_updated=timezone.now(), **field_values)
        told = [(one, _tell(one, tracking.changed_values(before.get(one.pk), one))) for one in rows.all()]
        changes = [capture.Change(one, previous_data=previous) for one, previous in told]
        capture.capture_saves(changes, using, together=True)
        signals.post_update.send(self.model, instances=[change.instance for change in changes], using=using)
        return int(count)


def _compact(model: Any, pks: Iterable[Any]) -> Sequence[Any]:
    """``pks`` in 8 bytes each where they are whole numbers: there may be millions."""
    return array("q", pks) if isinstance(target_of(model._meta.pk), models.IntegerField) else list(pks)


def write_alias(queryset: Any) -> str:
    """Where ``queryset`` writes: the alias it was given, else what the routers say."""
    return str(queryset._db or router.db_for_write(queryset.model, **queryset._hints))


def _tell(instance: Any, previous: tracking.Previous) -> tracking.Previous:
    """Let ``instance`` know its previous values, for its receivers and hooks."""
    instance._cqrs_previous = previous
    return previous
