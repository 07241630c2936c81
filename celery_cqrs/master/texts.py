"""Where a message tells the columns of a row and nothing else, PostgreSQL writes its JSON: no instance is made."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from django.db.models import IntegerField, Manager, Model, QuerySet
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init
from model_utils.tracker import DescriptorWrapper

from celery_cqrs.database.documents import KINDS, Documents, documents
from celery_cqrs.master.fields import OWN_FIELDS, differs_by_queue, fields_for
from celery_cqrs.master.revision import RevisionField
from celery_cqrs.master.tracking import TRACKER

OURS = "celery_cqrs.master.mixin"
HOOKS = ("to_cqrs_dict", "is_sync_instance", "relate_cqrs_serialization")
LOADING = ("from_db", "__getattribute__", "__getattr__")
KINDS[RevisionField] = KINDS[IntegerField]
PLAIN_ATTRIBUTES = (DeferredAttribute, ForeignKeyDeferredAttribute)


def read_texts(model: Any, using: str, keys: Sequence[str]) -> dict[str, str] | None:
    """Key text → ``instance_data`` as JSON, of those of ``keys`` that exist; None where Python must be asked."""
    made = documents_of(model, using)
    if made is None:
        return None
    found = made.read(keys)
    return found if found.keys() <= set(keys) else None  # a collation took "a" and "A" for one


def documents_of(model: Any, using: str) -> Documents | None:
    """How the database tells rows of ``model`` as they travel; None where Python must be asked."""
    if not tells_columns_only(model):
        return None
    own = [model._meta.get_field(name) for name in OWN_FIELDS]
    return documents(using, model, (*fields_for(model), *own))


def tells_columns_only(model: Any) -> bool:
    """Whether a message holds just what the table holds: no hook, manager or receiver of the project has a say."""
    if model.CQRS_SERIALIZER is not None or differs_by_queue(model):
        return False
    if post_init.has_listeners(model) or pre_init.has_listeners(model):
        return False
    is_ours = all(_definer(model, name).__module__ == OURS for name in HOOKS)
    return is_ours and _loads_plainly(model) and all(map(_is_plain, _attributes(model)))


def _loads_plainly(model: Any) -> bool:
    """Whether an instance that is read holds what was read, from all rows there are."""
    manager: Any = model._base_manager
    is_plain = type(manager) is Manager and type(manager.none()) is QuerySet
    init = model.__init__.__wrapped__ if TRACKER in vars(model) else model.__init__
    return is_plain and init is Model.__init__ and all(_definer(model, name) in (Model, object) for name in LOADING)


def _definer(model: Any, name: str) -> type:
    return next((one for one in model.__mro__ if name in vars(one)), object)


def _attributes(model: Any) -> list[Any]:
    return [inspect.getattr_static(model, field.attname) for field in model._meta.concrete_fields]


def _is_plain(attribute: Any) -> bool:
    """Also behind our tracker, which only looks on."""
    kind = type(attribute.descriptor if isinstance(attribute, DescriptorWrapper) else attribute)
    return kind in PLAIN_ATTRIBUTES
