"""Reads what came over the wire, value by value: wrong input is an error that says what is needed, never a crash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from celery_cqrs.exceptions import MessageRefused, UnknownWireVersion

WIRE_VERSION = 1
MAX_INTEGER = 2**63 - 1
MOMENT_LENGTH = 64


def row_ids(value: Any) -> tuple[int, ...]:
    """Outbox ids as a tuple; raises MessageRefused when they are not a list of whole numbers."""
    if not isinstance(value, list) or not all(map(is_count, value)):
        raise MessageRefused(problem='"outbox_ids" must be a list of whole numbers.')
    return tuple(value)


def check_version(wire: Any) -> None:
    """Raise MessageRefused unless ``wire`` is an object of a version that this service reads."""
    if not isinstance(wire, Mapping):
        raise MessageRefused(problem=f"the batch must be an object, not {type(wire).__name__}.")
    version = wire.get("v")
    if version != WIRE_VERSION or isinstance(version, bool):
        raise UnknownWireVersion(version=version, known=WIRE_VERSION)


def required(wire: Mapping[str, Any], key: str, kind: Any) -> Any:
    """The value under ``key``, of ``kind`` and not empty. Raises MessageRefused."""
    value = wire.get(key)
    if not isinstance(value, kind) or value == "":
        raise MessageRefused(problem=f'it needs "{key}", {_kind_name(kind)}, and not {found(value)}.')
    return value


def optional(wire: Mapping[str, Any], key: str, kind: Any) -> Any:
    """As ``required``; None when it is missing or null."""
    value = wire.get(key)
    if value is None:
        return None
    return required(wire, key, kind)


def moment(wire: Mapping[str, Any], key: str) -> datetime | None:
    """The aware moment under ``key``, None when it is missing or null. Raises MessageRefused."""
    value = wire.get(key)
    if value is None:
        return None
    parsed = _parsed(value) if isinstance(value, str) and len(value) <= MOMENT_LENGTH else None
    if parsed is None:
        raise MessageRefused(problem=f'"{key}" must be a date and time in ISO 8601, not {found(value)}.')
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)


def required_moment(wire: Mapping[str, Any], key: str) -> datetime:
    """The aware moment under ``key``. Raises MessageRefused, also when it is missing."""
    found_moment = moment(wire, key)
    if found_moment is None:
        raise MessageRefused(problem=f'it needs "{key}", a date and time in ISO 8601.')
    return found_moment


def primary_key(wire: Mapping[str, Any]) -> Any:
    """The text or number under "instance_pk". Raises MessageRefused."""
    value = wire.get("instance_pk")
    if value is None or isinstance(value, bool | list | dict):
        raise MessageRefused(problem=f'"instance_pk" must be a text or a number, not {found(value)}.')
    return value


@lru_cache(maxsize=256)
def _parsed(value: str) -> datetime | None:
    """Remembered, since the messages of a batch expire together, and those of a transaction were captured together."""
    try:
        return parse_datetime(value)
    except ValueError:
        return None


def is_count(value: Any) -> bool:
    """Whether ``value`` is a whole number from 0 that a database can hold."""
    return type(value) is int and 0 <= value <= MAX_INTEGER


def found(value: Any) -> str:
    """What was found instead, without its value, which may be personal."""
    return "nothing" if value is None else "an empty text" if value == "" else f"a {type(value).__name__}"


def _kind_name(kind: Any) -> str:
    return {str: "a text", list: "a list", dict: "an object", int: "a whole number"}.get(kind, str(kind))


def text(moment: datetime | None) -> str | None:
    """A moment as it travels."""
    return moment.isoformat() if moment else None
