"""A message: one change of one instance, a frozen value that encodes and decodes itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import Any

from celery_cqrs import decode
from celery_cqrs.exceptions import MessageRefused

MAX_RETRIES = 2**30
NAME_LENGTH = 255
NULL = "null"


class SignalType(StrEnum):
    """What happened to the instance."""

    SAVE = "SAVE"
    DELETE = "DELETE"
    SYNC = "SYNC"


SIGNAL_TYPES = {str(one): one for one in SignalType}


@dataclass(frozen=True)
class Message:
    """One change of one instance, as the replica gets it; the seed calls it TransportPayload.

    ``instance_data`` holds plain JSON values by field name, with ``cqrs_revision`` and ``cqrs_updated`` (a DELETE has
    ``id`` and these); ``outbox_ids`` are the rows of the master's outbox that this message settles; ``queue`` is set
    for a SYNC meant for one queue alone. ``sent_at``, ``reply_to`` (the master's queue) and ``outbox`` (its database
    alias) are those of the batch that it came in. ``waits_until`` has what has waited for its parent, as a letter.
    """

    signal_type: SignalType
    cqrs_id: str
    instance_data: Mapping[str, Any]
    instance_pk: Any
    queue: str | None = None
    previous_data: Mapping[str, Any] | None = None
    correlation_id: Any = None
    expires: datetime | None = None
    retries: int = 0
    meta: Mapping[str, Any] | None = None
    captured_at: datetime | None = None
    outbox_ids: tuple[int, ...] = ()
    sent_at: datetime | None = None
    reply_to: str | None = None
    outbox: str | None = None
    waits_until: datetime | None = None

    @property
    def pk(self) -> Any:
        """The primary key of the instance; the seed's name."""
        return self.instance_pk

    @property
    def revision(self) -> int:
        """The revision of the instance that this message carries."""
        return int(self.instance_data["cqrs_revision"])

    def is_expired(self, now: datetime | None = None) -> bool:
        """Whether the time to live had passed at ``now`` (default: this moment)."""
        return self.expires is not None and self.expires <= (now or datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """The message as plain JSON values, with the keys of the wire format."""
        return {
            "signal_type": str(self.signal_type),
            "cqrs_id": self.cqrs_id,
            "instance_pk": self.instance_pk,
            "instance_data": self.instance_data,
            "previous_data": self.previous_data,
            "meta": self.meta,
            "correlation_id": self.correlation_id,
            "captured_at": decode.text(self.captured_at),
            "expires": decode.text(self.expires),
            "retries": self.retries,
            "outbox_ids": list(self.outbox_ids),
        }

    @classmethod
    def from_message(cls, wire: Any, **envelope: Any) -> Message:
        """Decode one message; raises MessageRefused with a sentence that says what is wrong.

        ``envelope`` is what its batch says: queue, sent_at, reply_to, outbox.
        """
        if not isinstance(wire, dict):
            raise MessageRefused(problem=f"it must be an object, not {type(wire).__name__}.")
        signal_type = _signal_type(wire)
        return cls(
            signal_type=signal_type,
            cqrs_id=decode.required(wire, "cqrs_id", str),
            instance_data=_instance_data(wire, signal_type),
            instance_pk=decode.primary_key(wire),
            previous_data=decode.optional(wire, "previous_data", dict),
            correlation_id=wire.get("correlation_id"),
            expires=decode.moment(wire, "expires"),
            retries=_retries(wire),
            meta=decode.optional(wire, "meta", dict),
            captured_at=decode.moment(wire, "captured_at"),
            outbox_ids=decode.row_ids(wire.get("outbox_ids", [])),
            **envelope,
        )


def message_text(
    signal_type: str,
    cqrs_id: str,
    *,
    pk: str,
    data: str,
    captured_at: str,
    outbox_ids: Iterable[int | str],
    previous_data: str = NULL,
    meta: str = NULL,
    correlation_id: str = NULL,
    expires: str = NULL,
) -> str:
    """``Message.to_dict`` as JSON, made of JSON texts: ``data`` may come from the database as it is."""
    return (
        f'{{"signal_type":"{signal_type}","cqrs_id":{encode_basestring_ascii(cqrs_id)},"instance_pk":{pk},'
        f'"instance_data":{data},"previous_data":{previous_data},"meta":{meta},"correlation_id":{correlation_id},'
        f'"captured_at":{captured_at},"expires":{expires},"retries":0,"outbox_ids":[{",".join(map(str, outbox_ids))}]}}'
    )


def message_frame(signal_type: str, cqrs_id: str, captured_at: str, expires: str) -> list[str]:
    """What stands around the key, the data and the one outbox id of messages that differ in nothing else."""
    gap = "\x00"
    text = message_text(
        signal_type, cqrs_id, pk=gap, data=gap, captured_at=captured_at, expires=expires, outbox_ids=(gap,)
    )
    return text.split(gap)


def facts_of(wire: Any) -> dict[str, Any]:
    """What names a message on the wire, as far as it can be read: id, key, revision and correlation id, no values."""
    fields = wire if isinstance(wire, Mapping) else {}
    data = fields.get("instance_data")
    revision = data.get("cqrs_revision") if isinstance(data, Mapping) else None
    return {
        "cqrs_id": _short(fields.get("cqrs_id")),
        "cqrs_pk": _short(fields.get("instance_pk")),
        "cqrs_revision": revision if decode.is_count(revision) else None,
        "correlation_id": _short(fields.get("correlation_id")),
    }


def _short(value: Any) -> Any:
    """``value`` if it can name something: a number or a text that is no document."""
    return value if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= NAME_LENGTH) else None


def _signal_type(wire: Mapping[str, Any]) -> SignalType:
    value = wire.get("signal_type")
    signal_type = SIGNAL_TYPES.get(value) if isinstance(value, str) else None
    if signal_type is None:
        known = ", ".join(SignalType)
        raise MessageRefused(problem=f'"signal_type" must be one of {known}, not {decode.found(value)}.')
    return signal_type


def _instance_data(wire: Mapping[str, Any], signal_type: SignalType) -> Mapping[str, Any]:
    data: Mapping[str, Any] = decode.required(wire, "instance_data", dict)
    if not decode.is_count(data.get("cqrs_revision")):
        got = data.get("cqrs_revision")
        raise MessageRefused(
            problem=f'"instance_data" needs "cqrs_revision", a whole number from 0, not {decode.found(got)}.'
        )
    if "cqrs_updated" not in data:
        raise MessageRefused(problem='"instance_data" needs "cqrs_updated".')
    if signal_type is SignalType.DELETE and "id" not in data:
        raise MessageRefused(problem='the "instance_data" of a DELETE needs "id", the primary key.')
    return data


def _retries(wire: Mapping[str, Any]) -> int:
    value = wire.get("retries") or 0
    if not decode.is_count(value) or value > MAX_RETRIES:
        raise MessageRefused(
            problem=f'"retries" must be a whole number from 0 to {MAX_RETRIES}, not {decode.found(value)}.'
        )
    return int(value)
