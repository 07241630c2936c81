"""``Model.cqrs`` of a replica model: the guarded writes behind the hooks, also for direct callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import models, router

from celery_cqrs.database.locks import applying
from celery_cqrs.message import Message, SignalType
from celery_cqrs.replica.guard import judge
from celery_cqrs.replica.hold import Held, holding
from celery_cqrs.replica.mapping import checked_data, map_data, map_key, map_previous, primary_key_in


class ReplicaManager(models.Manager[Any]):
    """Creates, updates and deletes replica rows through the model's hooks, under the lock and the guard."""

    def save_instance(
        self,
        master_data: Mapping[str, Any],
        previous_data: Mapping[str, Any] | None = None,
        sync: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Create or update the row of ``master_data`` (the master's field names); returns what the hook returns.

        A stale write changes nothing and returns the row as it is (True when it was deleted). Raises MappingFailed.
        """
        signal_type = SignalType.SYNC if sync else SignalType.SAVE
        message = Message(
            signal_type,
            self.model.CQRS_ID,
            checked_data(self.model, master_data),
            primary_key_in(self.model, master_data),
            previous_data=previous_data,
            meta=meta,
        )
        with self._held(message.instance_pk, exclusive=False) as (held, key):
            if judge(message, held.revision(key), held.tombstone(key)):
                return held.row(key) or True
            return self.save_held(held, key, message)

    def delete_instance(self, master_data: Mapping[str, Any]) -> bool:
        """Delete the row ``master_data["id"]`` unless it is newer, and remember that. Always True."""
        data = checked_data(self.model, master_data, "id")
        message = Message(SignalType.DELETE, self.model.CQRS_ID, data, data["id"])
        with self._held(message.instance_pk, exclusive=True) as (held, key):
            if not judge(message, held.revision(key), held.tombstone(key)):
                self.delete_held(held, key)
                held.bury(key, message.revision)
        return True

    def save_held(self, held: Held, key: str, message: Message) -> Any:
        """Call the create or the update hook for a key that is held and may be written; returns what it returns."""
        mapped, row = map_data(self.model, message.instance_data), held.row(key)
        previous = map_previous(self.model, message.previous_data)
        sync = message.signal_type is SignalType.SYNC
        if row is None:
            return self.create_instance(mapped, previous_data=previous, sync=sync, meta=message.meta)
        return self.update_instance(row, mapped, previous_data=previous, sync=sync, meta=message.meta)

    def delete_held(self, held: Held, key: str) -> None:
        """Delete the row of a key that is held, if there is one, with what depends on it by Django's rules."""
        row = held.row(key)
        if row is not None:
            self.model._base_manager.using(held.using).filter(pk=row.pk).delete()

    def create_instance(
        self,
        mapped_data: dict[str, Any],
        previous_data: dict[str, Any] | None = None,
        sync: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the model's ``cqrs_create``; it gets ``meta`` when the model has CQRS_META."""
        extra = {"meta": meta} if self.model.CQRS_META else {}
        return self.model.cqrs_create(sync, mapped_data, previous_data=previous_data, **extra)

    def update_instance(
        self,
        instance: Any,
        mapped_data: dict[str, Any],
        previous_data: dict[str, Any] | None = None,
        sync: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the ``cqrs_update`` of ``instance``; it gets ``meta`` when the model has CQRS_META."""
        extra = {"meta": meta} if self.model.CQRS_META else {}
        return instance.cqrs_update(sync, mapped_data, previous_data=previous_data, **extra)

    @contextmanager
    def _held(self, pk: Any, *, exclusive: bool) -> Iterator[tuple[Held, str]]:
        key = map_key(self.model, pk)
        using = self._db or router.db_for_write(self.model)
        with (
            applying(using, self.model.CQRS_ID, exclusive=exclusive),
            holding(self.model, using, [key]) as held,
        ):
            yield held, key
