"""Previous values of CQRS_TRACKED_FIELDS, on model_utils' FieldTracker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import pre_save
from model_utils import FieldTracker
from model_utils.tracker import FieldInstanceTracker

from celery_cqrs.border import result_or_error
from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master.fields import ALL_FIELDS, OWN_FIELDS
from celery_cqrs.serialize import encode_field

TRACKER = "_cqrs_tracker"
Previous = Mapping[str, Any] | Exception | None
"""Previous values by field name; None without tracking; or the error of a value that cannot be told."""


class _InstanceTracker(FieldInstanceTracker):
    """Speaks field names, also for foreign keys, and plain values as they travel."""

    def changed(self) -> dict[str, Any]:
        """Previous values of the fields that differ from what was loaded, by field name."""
        return self._plain(super().changed())

    def created(self, has_key: bool) -> dict[str, None]:
        """None for each tracked field that has a value, as a creation reports it; keys only if it came with one."""
        loaded = set(self.fields) - self.deferred_fields
        held = [self._field(name) for name in self.fields if name in loaded and _is_value(self.get_field_value(name))]
        return {field.name: None for field in held if has_key or not _is_key(field)}

    def current_by_name(self) -> dict[str, Any]:
        """The present values, by field name."""
        return self._plain(self.current())

    def is_among(self, name: str, written: Collection[str]) -> bool:
        """Whether the field ``name`` is among ``written``, names as ``save`` takes them."""
        return name in written or self._field(name).attname in written

    def _plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        fields = {attname: self._field(attname) for attname in values}
        return {
            field.name: encode_field(field, SimpleNamespace(**{attname: values[attname]}))
            for attname, field in fields.items()
        }

    def _field(self, attname: str) -> Any:
        return self.instance._meta.get_field(attname)


class CqrsTracker(FieldTracker):
    """The FieldTracker that a tracked master model carries; ``names`` are those of its fields."""

    tracker_class = _InstanceTracker
    names: frozenset[str] = frozenset()


def track(model: Any) -> None:
    """Give ``model`` a tracker for its CQRS_TRACKED_FIELDS; raises ModelRefused for names it does not have."""
    declared = model.CQRS_TRACKED_FIELDS
    fields = {field.name: field for field in model._meta.concrete_fields}
    names = (
        [name for name in fields if name not in OWN_FIELDS]
        if declared == ALL_FIELDS
        else _checked_names(model, declared, fields)
    )
    tracker = CqrsTracker(fields=[fields[name].attname for name in names if name in fields])
    tracker.names = frozenset(names)
    model.add_to_class(TRACKER, tracker)
    tracker.finalize_class(model)


def _is_value(value: Any) -> bool:
    return value is not None and (bool(value) or not isinstance(value, FieldFile))


def _is_key(field: Any) -> bool:
    return bool(field.primary_key or (field.remote_field and field.remote_field.parent_link))


def is_tracked(model: Any) -> bool:
    """Whether ``model`` has tracked fields."""
    return hasattr(model, TRACKER)


class Telling:
    """One save of an instance: what its tracked fields held, told when the row is written.

    ``tell`` is called then: receivers of pre_save and fields with ``auto_now`` have had their say, and the tracker
    still knows the former values. Saves of one instance by receivers are nested.
    """

    def __init__(self, instance: Any, is_captured: bool, written: Collection[str] | None) -> None:
        self.adding = instance._state.adding
        self.previous: Previous = None
        self._instance, self._written = instance, written
        self._is_told = is_captured and is_tracked(instance)
        self._has_key = instance.pk is not None

    def __enter__(self) -> Telling:
        self._outer, self._instance._cqrs_telling = self._instance._cqrs_telling, self
        if self._is_told and pre_save.has_listeners(type(self._instance)):
            self.tell()
        return self

    def __exit__(self, *_: object) -> None:
        self._instance._cqrs_telling = self._outer

    def tell(self) -> None:
        """Note the values as they differ now, for ``get_tracked_fields_data`` too."""
        if self._is_told:
            self.previous = previous_values(self._instance, self.adding, self._has_key, self._written)
        self._instance._cqrs_previous = self.previous


def previous_values(
    instance: Model, created: bool, has_key: bool = True, written: Collection[str] | None = None
) -> Previous:
    """What the tracked fields among ``written`` (names; None: all) held before the change at hand.

    A key that the database has made (``has_key`` false) is none of a creation's values.
    """
    tracker = getattr(instance, TRACKER, None)
    if tracker is None:
        return None
    told = result_or_error(lambda: tracker.created(has_key) if created else tracker.changed())
    if written is None or isinstance(told, Exception):
        return told
    return {name: value for name, value in told.items() if tracker.is_among(name, written)}


def tracked_by(model: Any, values: Previous) -> dict[str, Any] | None:
    """Those of the previous ``values`` that ``model`` tracks itself: a child of its table may track more.

    Raises the error that came in their place.
    """
    if isinstance(values, Exception):
        raise values
    tracker = getattr(model, TRACKER, None)
    if values is None or tracker is None:
        return None
    return {name: value for name, value in values.items() if name in tracker.names}


def present_values(instance: Model) -> Previous:
    """What the tracked fields hold now, or None when nothing is tracked."""
    tracker = getattr(instance, TRACKER, None)
    return None if tracker is None else result_or_error(tracker.current_by_name)


def changed_values(before: Previous, instance: Model) -> Previous:
    """Those of the values ``before`` that are others now."""
    now = present_values(instance)
    if isinstance(before, Exception) or isinstance(now, Exception):
        return before if isinstance(before, Exception) else now
    if before is None or now is None:
        return None
    return {name: value for name, value in before.items() if now.get(name) != value}


def _checked_names(model: Any, declared: Any, fields: dict[str, Any]) -> list[str]:
    if not isinstance(declared, list | tuple):
        problem = f'CQRS_TRACKED_FIELDS must be a list of field names or "{ALL_FIELDS}".'
        raise ModelRefused(model=model.__name__, problem=problem)
    others = {field.name for field in model._meta.many_to_many} | {field.name for field in model._meta.private_fields}
    unknown = sorted(set(declared) - set(fields) - others)
    if unknown or len(set(declared)) != len(declared):
        problem = f"CQRS_TRACKED_FIELDS has unknown or repeated names: {', '.join(unknown) or declared}."
        raise ModelRefused(model=model.__name__, problem=problem)
    return list(declared)
