"""What a replica model inherits: revision and time of the master row, the ``cqrs`` manager, and the hooks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from django.db import models

from celery_cqrs import conf
from celery_cqrs.backoff import backoff_seconds
from celery_cqrs.replica.manager import ReplicaManager
from celery_cqrs.replica.mapping import by_attribute
from celery_cqrs.replica.meta import ReplicaMeta


class RawReplicaMixin:
    """The hooks without a model: nothing is stored by the package, and there is no guard against stale messages."""

    __module__ = "celery_cqrs.mixins"  # the public path: Django writes it into the migrations of every replica model

    CQRS_ID: str | None = None
    CQRS_NO_DB_OPERATIONS = True
    CQRS_META = False
    CQRS_ONLY_DIRECT_SYNCS = False

    @classmethod
    def cqrs_save(cls, master_data: dict[str, Any], **kwargs: Any) -> Any:
        """Take a SAVE or SYNC; ``kwargs`` are previous_data, sync and meta. To be overridden."""
        raise NotImplementedError(f"{cls.__name__} needs a cqrs_save, since it has no database operations.")

    @classmethod
    def cqrs_delete(cls, master_data: dict[str, Any], **kwargs: Any) -> Any:
        """Take a DELETE. To be overridden."""
        raise NotImplementedError(f"{cls.__name__} needs a cqrs_delete, since it has no database operations.")

    @staticmethod
    def should_retry_cqrs(current_retry: int, exception: BaseException | None = None) -> bool:
        """Whether a message that was retried ``current_retry`` times gets another try. May be overridden."""
        limit = conf.replica.CQRS_MAX_RETRIES
        return limit is None or current_retry < limit

    @staticmethod
    def get_cqrs_retry_delay(current_retry: int) -> float:
        """Seconds before the next try: CQRS_RETRY_DELAY, doubling up to retry_max_delay_seconds, ± 10 %."""
        seconds = backoff_seconds(conf.replica.CQRS_RETRY_DELAY, current_retry, conf.replica.retry_max_delay_seconds)
        return seconds * random.uniform(0.9, 1.1)


class ReplicaMixin(RawReplicaMixin, models.Model, metaclass=ReplicaMeta):
    """Makes a model a replica of the master model with the same CQRS_ID."""

    CQRS_MAPPING: Mapping[str, str] | None = None
    """Field of the master → field here; None: the names are the same."""

    CQRS_CUSTOM_SERIALIZATION = False
    """True: the hooks get the data as it came."""

    CQRS_SELECT_FOR_UPDATE = False
    """Accepted and without effect: rows are always locked."""

    CQRS_NO_DB_OPERATIONS = False
    """True: the package touches no table for this model; the hooks do it all."""

    CQRS_META = False
    """True: the hooks get ``meta``."""

    CQRS_APPLY = "auto"
    """How rows are written: "instance", each by itself through the hooks; "bulk" or "auto", together where possible."""

    CQRS_ONLY_DIRECT_SYNCS = False
    """True: a SYNC counts only when it was sent to this very queue."""

    objects = models.Manager()
    cqrs = ReplicaManager()

    cqrs_revision = models.IntegerField(editable=False)
    cqrs_updated = models.DateTimeField(editable=False)

    class Meta:
        abstract = True

    @classmethod
    def cqrs_save(  # type: ignore[override]
        cls,
        master_data: dict[str, Any],
        previous_data: dict[str, Any] | None = None,
        sync: bool = False,
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Create or update the row of ``master_data``, guarded by its revision; returns what the hook returns."""
        if cls.CQRS_NO_DB_OPERATIONS:
            return super().cqrs_save(master_data, previous_data=previous_data, sync=sync, meta=meta)
        return cls.cqrs.save_instance(master_data, previous_data, sync, meta)

    @classmethod
    def cqrs_create(
        cls,
        sync: bool,
        mapped_data: dict[str, Any],
        previous_data: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Create the row of ``mapped_data`` (names of this model); returns something truthy. May be overridden."""
        return cls._default_manager.create(**by_attribute(cls, mapped_data))

    def cqrs_update(
        self,
        sync: bool,
        mapped_data: dict[str, Any],
        previous_data: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Any:
        """Update this row by ``mapped_data`` (names of this model); returns something truthy. May be overridden."""
        for name, value in by_attribute(type(self), mapped_data).items():
            setattr(self, name, value)
        self.save()
        return self

    @classmethod
    def cqrs_delete(  # type: ignore[override]
        cls, master_data: dict[str, Any], meta: dict[str, Any] | None = None
    ) -> Any:
        """Delete the row ``master_data["id"]``; true also when nothing was there."""
        if cls.CQRS_NO_DB_OPERATIONS:
            return super().cqrs_delete(master_data, meta=meta)
        return cls.cqrs.delete_instance(master_data)
