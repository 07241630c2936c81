"""Parents: the rows that foreign keys refer to. Which of them are not here, and which ones a message brings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey

from celery_cqrs.border import result_or_error
from celery_cqrs.columns import clean_key
from celery_cqrs.database.constraints import breaks_foreign_key
from celery_cqrs.database.keys import among
from celery_cqrs.message import Message, SignalType
from celery_cqrs.outcome import Parent
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica.mapping import map_data
from celery_cqrs.serialize import decode_value, target_of, value_text

KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class Missing:
    """A parent that is not here, and the foreign key that refers to it."""

    field: Any
    parent: Parent

    @property
    def reason(self) -> str:
        """In words."""
        return f"{describe(self.parent)} is not here (field {self.field.name})"


def describe(parent: Parent) -> str:
    """``parent`` for people: its CQRS_ID or model, its key, and the field that has it when that is not the primary key.

    Only the key is shown, since that is what the child holds of it.
    """
    field = field_at(parent.place)
    if field is None:
        return f"{parent.place} {parent.key!r}"
    ids = cqrs_ids(field.model)
    name = ids[0] if ids else field.model._meta.label
    return f"{name} {parent.key!r}" if field.primary_key else f"{name} with {field.name} {parent.key!r}"


def why_orphaned(model: Any, using: str, failures: Sequence[tuple[Message, Exception]]) -> dict[int, Missing]:
    """The first missing parent of each message that failed for the want of one, by the id() of the message.

    Only what a foreign key has refused and what can be seen to be absent counts; any other failure is an ordinary one.
    """
    if model.CQRS_NO_DB_OPERATIONS:
        return {}
    messages = [message for message, error in failures if breaks_foreign_key(error)]
    found = zip(messages, find_missing(model, using, messages), strict=True)
    return {id(message): missing[0] for message, missing in found if missing}


def find_missing(model: Any, using: str, messages: Sequence[Message]) -> list[list[Missing]]:
    """For each of ``messages`` the parents that are not here, in the order of the fields; none for a DELETE."""
    found: list[list[Missing]] = [[] for _ in messages]
    if not messages:
        return found
    data = [_mapped(model, message) for message in messages]
    for field in _foreign_keys(model):
        wanted = [_value_at(field.target_field, field, one) for one in data]
        here = present(using, {parent for parent in wanted if parent is not None})
        for parent, own, missing in zip(wanted, data, found, strict=True):
            if parent is not None and parent not in here and parent != _itself(model, field, own):
                missing.append(Missing(field, parent))
    return found


def find_orphans(model: Any, using: str, messages: Sequence[Message]) -> list[Message]:
    """Those of ``messages`` with a parent that is neither here nor brought by the others, in their order."""
    missed = {id(message): found for message, found in zip(messages, find_missing(model, using, messages), strict=True)}
    complete = list(messages)
    while True:
        offered = offered_by(model, complete)
        left = [one for one in complete if all(missing.parent in offered for missing in missed[id(one)])]
        if len(left) == len(complete):
            break
        complete = left
    known = {id(message) for message in complete}
    return [message for message in messages if id(message) not in known]


def present(using: str, parents: Iterable[Parent]) -> set[Parent]:
    """Those of ``parents`` that are in their tables now."""
    keys: dict[str, list[str]] = defaultdict(list)
    for parent in parents:
        keys[parent.place].append(parent.key)
    found: set[Parent] = set()
    for place, wanted in keys.items():
        field = field_at(place)
        for start in range(0, len(wanted) if field else 0, KEYS_AT_ONCE):
            found |= _present_at(using, place, field, wanted[start : start + KEYS_AT_ONCE])
    return found


def offered_by(model: Any, messages: Iterable[Message]) -> set[Parent]:
    """``messages``, which were applied to ``model``, as the parents that others may refer to."""
    data = [_mapped(model, message) for message in messages]
    values = (_value_at(field, field, one) for field in referred_fields(model) for one in data)
    return {parent for parent in values if parent is not None}


@cache
def referred_fields(model: Any) -> tuple[Any, ...]:
    """The fields of ``model`` that foreign keys of tables refer to, mostly its primary key or none."""
    relations = model._meta.get_fields(include_hidden=True)
    keys = (one.field for one in relations if one.auto_created and not one.concrete and hasattr(one, "field"))
    fields = {place_of(key.target_field): key.target_field for key in keys if _is_constraint(key)}
    return tuple(field for _, field in sorted(fields.items()))


def place_of(field: Any) -> str:
    """Where ``field`` is, as letters hold it."""
    return f"{field.model._meta.concrete_model._meta.label_lower}.{field.name}"


def field_at(place: str) -> Any:
    """The inverse of ``place_of``; None when the model or the field has gone."""
    label, _, name = place.rpartition(".")
    try:
        return apps.get_model(label)._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist):
        return None


def cqrs_ids(model: Any) -> list[str]:
    """The CQRS_IDs of the replica models whose rows are in the table of ``model``."""
    found = ReplicaRegistry.models.items()
    return [cqrs_id for cqrs_id, one in found if _concrete(one) is not None and _concrete(one) is _concrete(model)]


def _concrete(model: Any) -> Any:
    return model._meta.concrete_model if hasattr(model, "_meta") else None


@cache
def _foreign_keys(model: Any) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if _is_constraint(field))


def _is_constraint(field: Any) -> bool:
    """Whether the database checks it; the link of a child table to its parent's is written together with both."""
    is_checked = isinstance(field, ForeignKey) and getattr(field, "db_constraint", True)
    return is_checked and not field.remote_field.parent_link


def _mapped(model: Any, message: Message) -> Mapping[str, Any]:
    """The data of ``message`` under the names of ``model``; nothing when there is none that can be read."""
    if message.signal_type is SignalType.DELETE:
        return {}
    mapped = result_or_error(map_data, model, message.instance_data)
    return {} if isinstance(mapped, Exception) else mapped


def _value_at(target: Any, field: Any, mapped: Mapping[str, Any]) -> Parent | None:
    value = mapped.get(field.name, mapped.get(field.attname))
    if value is None:
        return None
    text = result_or_error(lambda: value_text(target, decode_value(target, value)))
    return None if isinstance(text, Exception) else Parent(place_of(target), clean_key(text))


def _itself(model: Any, field: Any, mapped: Mapping[str, Any]) -> Parent | None:
    """The row itself, to which it may refer."""
    target = field.target_field
    return _value_at(target, target, mapped) if _concrete(target.model) is _concrete(model) else None


def _present_at(using: str, place: str, field: Any, keys: Sequence[str]) -> set[Parent]:
    values = [result_or_error(target_of(field).to_python, key) for key in keys]
    usable = [value for value in values if not isinstance(value, Exception)]
    rows = among(field.model._base_manager.using(using), field.name, usable).values_list(field.attname, flat=True)
    return {Parent(place, clean_key(value_text(field, value))) for value in rows}
