"""Previous values of CQRS_TRACKED_FIELDS, on model_utils' FieldTracker."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from django.db.models import Model
from model_utils import FieldTracker
from model_utils.tracker import FieldInstanceTracker

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master.fields import ALL_FIELDS, OWN_FIELDS
from celery_cqrs.serialize import encode_field

TRACKER = "_cqrs_tracker"


class _InstanceTracker(FieldInstanceTracker):
    """Speaks field names, also for foreign keys, and plain values as they travel."""

    def changed(self) -> dict[str, Any]:
        """Previous values of the fields that differ from what was loaded, by field name."""
        return self._plain(super().changed())

    def created(self) -> dict[str, None]:
        """None for each tracked field that has a value, as a creation reports it."""
        loaded = set(self.fields) - self.deferred_fields
        held = (name for name in self.fields if name in loaded and self.get_field_value(name) is not None)
        return dict.fromkeys(self._field(name).name for name in held)

    def current_by_name(self) -> dict[str, Any]:
        """The present values, by field name."""
        return self._plain(self.current())

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


def previous_values(instance: Model, created: bool) -> dict[str, Any] | None:
    """What the tracked fields held before the change at hand, or None when nothing is tracked."""
    tracker = getattr(instance, TRACKER, None)
    if tracker is None:
        return None
    return dict(tracker.created() if created else tracker.changed())


def tracked_by(model: Any, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Those of the previous ``values`` that ``model`` tracks itself: a child of its table may track more."""
    tracker = getattr(model, TRACKER, None)
    if values is None or tracker is None:
        return None
    return {name: value for name, value in values.items() if name in tracker.names}


def present_values(instance: Model) -> dict[str, Any] | None:
    """What the tracked fields hold now, or None when nothing is tracked."""
    tracker = getattr(instance, TRACKER, None)
    return None if tracker is None else dict(tracker.current_by_name())


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
