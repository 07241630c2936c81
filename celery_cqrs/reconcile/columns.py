"""Which columns are compared: what the master sends to a queue and the replica keeps as it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery_cqrs.master.fields import fields_for
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.reconcile.digest import HASH, KEY
from celery_cqrs.reconcile.kinds import INTEGER, TEXT, kind_of, kind_of_key


@dataclass(frozen=True)
class Column:
    """A field by the master's name for it, and the kind of its values."""

    name: str
    kind: str


def columns_of_master(model: Any, using: str, queue: str) -> list[Column]:
    """What ``queue`` is sent of each row, but for the key; nothing where the project makes the data itself.

    Raises ModelRefused for a queue that CQRS_FIELDS does not name.
    """
    if model.CQRS_SERIALIZER is not None or model.to_cqrs_dict is not RawMasterMixin.to_cqrs_dict:
        return []
    fields = [field for field in fields_for(model, queue) if not field.primary_key]
    return [Column(field.name, kind_of(field, using)) for field in fields]


def columns_shared(replica_model: Any, using: str, columns: Sequence[Column]) -> list[Column]:
    """Those of the master's ``columns`` that the replica keeps in one of the same kind."""
    if replica_model.CQRS_CUSTOM_SERIALIZATION:
        return []
    kept = {column: replica_field(replica_model, column.name) for column in columns}
    return [column for column, field in kept.items() if field is not None and kind_of(field, using) == column.kind]


def replica_field(model: Any, name: str) -> Any:
    """The field in which the replica ``model`` keeps what the master calls ``name``; None where it does not."""
    ours = name if model.CQRS_MAPPING is None else model.CQRS_MAPPING.get(name)
    own = {known: field for field in model._meta.concrete_fields for known in (field.attname, field.name)}
    field = own.get(ours)
    return None if field is None or field.primary_key or _makes_its_values(field) else field


def _makes_its_values(field: Any) -> bool:
    flags = ("auto_now", "auto_now_add", "generated")
    return any(getattr(field, flag, False) for flag in flags)


def key_kind(model: Any, using: str) -> str:
    """The kind of the primary key of ``model``."""
    return kind_of_key(model._meta.pk, using)


def key_kind_shared(replica_model: Any, using: str, kind: str) -> str | None:
    """The kind in which both sides can write their keys; None where they cannot be compared.

    A replica may keep keys of any kind as texts: then the master writes them as they travel.
    """
    own = key_kind(replica_model, using)
    return own if own in (kind, TEXT) else None


def scheme_for(kind: str) -> str:
    """How positions are made of keys of the ``kind`` that both sides have."""
    return KEY if kind == INTEGER else HASH
