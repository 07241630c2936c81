"""What a master model inherits: its revision, its ``cqrs`` manager, and a ``save_base`` that captures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.db import models, router, transaction
from django.db.models import Model
from django.db.models.signals import class_prepared, pre_delete
from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.master import capture, fixtures, tracking
from celery_cqrs.master.fields import ALL_FIELDS, OWN_FIELDS, fields_for
from celery_cqrs.master.manager import MasterManager
from celery_cqrs.master.meta import MasterMeta
from celery_cqrs.master.revision import RevisionField, has_parent_revision
from celery_cqrs.master.serializer import read_anew, resolve_expressions, serializer_data
from celery_cqrs.serialize import encode_instance

SAVE_ARGUMENTS = ("force_insert", "force_update", "using", "update_fields")


class RawMasterMixin(Model):
    """A master model whose class is registered by hand, with ``MasterMeta.register``; others use MasterMixin."""

    CQRS_ID: str | None = None
    """The name under which this model travels; unique among the master models of the service."""

    CQRS_PRODUCE = True
    """False: nothing is captured or sent."""

    CQRS_FIELDS: Any = ALL_FIELDS
    """Names of the fields that travel, the primary key among them, or a dict: queue → names or "__all__"."""

    CQRS_SERIALIZER: str | None = None
    """Dotted path of a class that takes the instance and has ``.data``, a dict."""

    CQRS_DELETE_ON_LEAVE = False
    """True: the replicas delete a row that stops satisfying ``is_sync_instance``."""

    CQRS_TRACKED_FIELDS: Any = None
    """Names of the fields whose previous values travel, or "__all__"."""

    objects = models.Manager()
    cqrs = MasterManager()

    cqrs_revision = RevisionField(
        default=0, editable=False, help_text="Raised by one in the database by every captured change."
    )
    cqrs_updated = models.DateTimeField(auto_now=True, help_text="When the last captured change was made.")

    class Meta:
        abstract = True

    def save(self, *args: Any, update_cqrs_fields: bool | None = None, **kwargs: Any) -> None:
        """As Django's. With ``update_fields`` the change is captured only if ``update_cqrs_fields`` is true.

        Its default is CQRS_AUTO_UPDATE_FIELDS.
        """
        kwargs |= zip(SAVE_ARGUMENTS, args, strict=False)
        wanted = conf.master.CQRS_AUTO_UPDATE_FIELDS if update_cqrs_fields is None else update_cqrs_fields
        if kwargs.get("update_fields") is None:
            self._load_own_fields()
        elif kwargs["update_fields"] and (wanted or (update_cqrs_fields is None and has_parent_revision(type(self)))):
            kwargs["update_fields"] = {*kwargs["update_fields"], *OWN_FIELDS}
        super().save(**kwargs)

    async def asave(self, *args: Any, **kwargs: Any) -> None:
        """The asynchronous ``save``, with the same arguments."""
        await sync_to_async(self.save)(*args, **kwargs)

    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> None:
        """Write the row and capture it in one transaction. Fixtures, proxies and child models come through here too."""
        using = using or router.db_for_write(type(self), instance=self)
        if raw:
            super().save_base(raw, force_insert, force_update, using, update_fields)
            return
        is_captured = update_fields is None or "cqrs_revision" in update_fields
        self._count_save(using)
        with (
            transaction.atomic(using=using, savepoint=False),
            tracking.Telling(self, is_captured, update_fields) as told,
        ):
            super().save_base(raw, force_insert, force_update, using, update_fields)
            self._cqrs_previous = told.previous  # a receiver may have saved this instance again meanwhile
            if is_captured:
                created = told.adding or self._cqrs_created
                capture.capture_saves([capture.Change(self, created, told.previous)], using)
            capture.publish_after_commit(using, saved=self)

    def _load_own_fields(self) -> None:
        """Deferred own fields count as loaded: the save writes and captures them, and gives both their values."""
        self.__dict__.setdefault("cqrs_revision", 0)
        self.__dict__.setdefault("cqrs_updated", None)

    def _save_table(
        self,
        raw: bool = False,
        cls: Any = None,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> bool:
        """Fixtures are captured here: Django's deserializer calls ``Model.save_base`` past the override above.

        Of others the previous values are told here, where receivers and fields have had their say.
        """
        if not raw:
            saved = bool(super()._save_table(raw, cls, force_insert, force_update, using, update_fields))  # type: ignore[misc]
            if self._cqrs_telling is not None:
                self._cqrs_telling.tell()
            return saved
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            fixtures.lift(self, using)
            updated = super()._save_table(raw, cls, force_insert, force_update, using, update_fields)  # type: ignore[misc]
            capture.capture_saves([capture.Change(self, created=True)], using)
            capture.publish_after_commit(using)
        return bool(updated)

    _cqrs_created = False
    _cqrs_previous: tracking.Previous = None
    _cqrs_telling: tracking.Telling | None = None
    _cqrs_saves = 0

    def _count_save(self, using: str) -> None:
        connection = transaction.get_connection(using)
        self._cqrs_saves = self._cqrs_saves + 1 if connection.in_atomic_block else 0

    @property
    def cqrs_saves_count(self) -> int:
        """How many times this instance was saved in the open transaction. For information; nothing depends on it."""
        return self._cqrs_saves

    @property
    def is_initial_cqrs_save(self) -> bool:
        """Whether this instance was saved at most once in the open transaction."""
        return self.cqrs_saves_count < 2

    def reset_cqrs_saves_count(self) -> None:
        """Count from zero; called at commit, to be called by hand after a rollback."""
        self._cqrs_saves = 0

    def to_cqrs_dict(self, using: str | None = None, sync: bool = False, queue: str | None = None) -> dict[str, Any]:
        """The instance as it travels: plain values by field name, or from CQRS_SERIALIZER, with revision and time.

        ``sync`` true: serialize this very object; else a CQRS_SERIALIZER gets one that is read anew from ``using``.
        Where CQRS_FIELDS differs by queue, ``queue`` is the one that is to see it; None: what any of them may see.
        """
        own: list[Any] = [self._meta.get_field(name) for name in OWN_FIELDS]
        if self.CQRS_SERIALIZER is None:
            resolve_expressions(self)
            return encode_instance(self, [*fields_for(type(self), queue), *own])
        source = self if sync else read_anew(self, using)
        return {**serializer_data(source), **encode_instance(source, own)}

    def get_tracked_fields_data(self) -> Mapping[str, Any] | None:
        """The previous values of the tracked fields as of the last save, or None."""
        return None if isinstance(self._cqrs_previous, Exception) else self._cqrs_previous

    def cqrs_sync(self, using: str | None = None, queue: str | None = None) -> bool:
        """Have the present state sent again, to ``queue`` or to all; False when the instance is unsaved or gone."""
        using = using or self._state.db or router.db_for_write(type(self), instance=self)
        if self._state.adding or not type(self)._base_manager.using(using).filter(pk=self.pk).exists():
            return False
        with transaction.atomic(using=using, savepoint=False):
            capture.capture_syncs([self], using, queue)
        return True

    def is_sync_instance(self) -> bool:
        """Whether the replicas get this row; the revision counts in any case. To be overridden.

        Asked when a change is captured and again when it is sent; with CQRS_DELETE_ON_LEAVE only when it is sent.
        """
        return True

    @classmethod
    def cqrs_sync_filter(cls) -> models.Q | None:
        """The rule of ``is_sync_instance`` in SQL, or None. To be overridden."""
        return None

    @classmethod
    def has_cqrs_meta(cls) -> bool:
        """Whether messages of this model carry meta: ``get_cqrs_meta`` is overridden or ``meta_function`` is set."""
        return bool(conf.master.meta_function) or cls.get_cqrs_meta is not RawMasterMixin.get_cqrs_meta

    def get_cqrs_meta(self, **kwargs: Any) -> dict[str, Any]:
        """Meta for the replicas' hooks; ``kwargs`` are instance_data, previous_data, signal_type. To be overridden."""
        function = conf.master.meta_function
        if function is None:
            return {}
        made: dict[str, Any] = (import_string(function) if isinstance(function, str) else function)(obj=self, **kwargs)
        return made

    @classmethod
    def relate_cqrs_serialization(cls, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Add the select_related and prefetch_related that the serializer needs. To be overridden."""
        return queryset

    def get_custom_cqrs_delete_data(self) -> dict[str, Any] | None:
        """What travels as ``instance_data["custom"]`` of a DELETE. To be overridden."""
        return None

    @classmethod
    def call_post_bulk_create(cls, instances: list[Any], using: str | None = None) -> None:
        """Capture ``instances`` that were created in bulk by other means than ``cqrs.bulk_create``."""
        capture.announce_bulk_create(cls, instances, using)

    @classmethod
    def call_post_update(cls, instances: list[Any], using: str | None = None) -> None:
        """Capture ``instances`` that were updated in bulk by other means than ``cqrs.bulk_update``."""
        capture.announce_update(cls, instances, using)


class MasterMixin(RawMasterMixin, metaclass=MasterMeta):
    """Makes a model a master: what is saved, deleted or written through ``cqrs`` reaches the replicas."""

    class Meta:
        abstract = True


def _capture_deletion(sender: Any, instance: Any, using: str, **_: Any) -> None:
    with transaction.atomic(using=using, savepoint=False):
        capture.capture_delete(instance, using)


def _watch_deletions(sender: Any, **_: Any) -> None:
    """Per class and never for all senders: that would end Django's fast deletes for every model of the project."""
    if issubclass(sender, RawMasterMixin):
        pre_delete.connect(_capture_deletion, sender=sender, dispatch_uid=f"celery_cqrs:{sender._meta.label}")


class_prepared.connect(_watch_deletions)
