"""Writes the letter of a message that failed: the newest message of a queue, id and key wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from celery_cqrs import conf, decode
from celery_cqrs.border import result_or_error
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock, packets
from celery_cqrs.database.keys import among
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Dead, Kept, Retry, Waiting
from celery_cqrs.registry import NAME_LENGTH
from celery_cqrs.replica.letters import NOT_WAITING, key_of, of_queue, rank

ROWS_AT_ONCE = 100
NOT_KEPT = "(What it carried is too large or nested too deeply, and was not kept; on MariaDB raise max_allowed_packet.)"


def keep_all(using: str, failures: Sequence[tuple[Message, Kept]]) -> None:
    """As ``keep`` for each of them; those of a flood, whose keys have no letter yet, in a few statements."""
    left = list(failures)
    fresh = _without_letters(using, failures) if len(failures) > 1 else []
    if fresh and result_or_error(_insert, using, fresh) is True:
        kept = {id(message) for message, _ in fresh}
        left = [one for one in failures if id(one[0]) not in kept]
    for message, outcome in left:
        keep(using, message, outcome)


def keep(using: str, message: Message, outcome: Kept) -> None:
    """Write the letter of a failed message, unless a newer message of its key waits already."""
    _write(using, _row_of(message.cqrs_id, message.instance_pk), outcome, _values_of(message, outcome))


def keep_malformed(using: str, wire: Any, outcome: Dead) -> None:
    """Write the letter of something that is no message; what can be read of its id and key names it."""
    fields = wire if isinstance(wire, dict) else {}
    cqrs_id = fields.get("cqrs_id") if isinstance(fields.get("cqrs_id"), str) else ""
    pk = fields.get("instance_pk") if isinstance(fields.get("instance_pk"), str | int | float) else ""
    _write(using, _row_of(str(cqrs_id), pk), outcome, {"payload": wire, "attempts": 1})


def _without_letters(using: str, failures: Sequence[tuple[Message, Kept]]) -> list[tuple[Message, Kept]]:
    """Those whose key has no letter, and no other message among them."""
    counts = Counter(key_of(message) for message, _ in failures)
    rows = of_queue(using).filter(cqrs_id__in={key[0] for key in counts})
    known = set(among(rows, "pk_text", {key[1] for key in counts}).values_list("cqrs_id", "pk_text"))
    keyed = [(key_of(one[0]), one) for one in failures]
    return [one for key, one in keyed if counts[key] == 1 and key not in known]


def _insert(using: str, fresh: Sequence[tuple[Message, Kept]]) -> bool:
    """Whether they are small enough to be written together.

    Raises IntegrityError when another worker has written a letter of one of the keys meanwhile, and RecursionError.
    """
    rows = [
        Letter(
            **_row_of(message.cqrs_id, message.instance_pk),
            **_values_of(message, outcome),
            **_state_of(outcome, None),
        )
        for message, outcome in fresh
    ]
    if packets.exceeds(using, [row.payload for row in rows]):
        return False
    with transaction.atomic(using=using):
        Letter.objects.using(using).bulk_create(rows, batch_size=ROWS_AT_ONCE)
    return True


def _values_of(message: Message, outcome: Kept) -> dict[str, Any]:
    tries = message.retries + (not isinstance(outcome, Waiting))
    payload = {
        **message.to_dict(),
        "retries": tries,
        "queue": message.queue,
        "sent_at": decode.text(message.sent_at),
        "reply_to": message.reply_to,
        "outbox": message.outbox,
    }
    named = {"signal_type": str(message.signal_type), "revision": message.revision}
    return {**named, "payload": payload, "attempts": tries}


def _row_of(cqrs_id: str, pk: Any) -> dict[str, Any]:
    return {
        "queue": conf.service.queue,
        "cqrs_id": clean_key(cqrs_id, NAME_LENGTH),
        "pk_text": clean_key(pk),
    }


def _write(using: str, key: dict[str, Any], outcome: Kept, values: dict[str, Any]) -> None:
    try:
        if not packets.exceeds(using, [values["payload"]]):
            _write_whole(using, key, outcome, values)
            return
    except RecursionError:  # nested so deeply that it could be read and cannot be written
        pass
    _write_whole(using, key, Dead(f"{outcome.reason} {NOT_KEPT}"), {**values, "payload": {}})


def _write_whole(using: str, key: dict[str, Any], outcome: Kept, values: dict[str, Any]) -> None:
    with transaction.atomic(using=using):
        waiting = Letter.objects.using(using).select_for_update().filter(**key).first()
        if waiting is not None and _outranks(waiting, values, outcome):
            return
        state = _state_of(outcome, waiting)
        Letter.objects.using(using).update_or_create(**key, defaults={**values, **state})


def _state_of(outcome: Kept, waiting: Letter | None) -> dict[str, Any]:
    """What the letter waits for. A newer message for the same parent has no more time than the older one had."""
    state: dict[str, Any] = {"reason": clean_key(outcome.reason, ERROR_LENGTH), **NOT_WAITING}
    match outcome:
        case Retry(after_seconds=seconds):
            return {**state, "state": Letter.RETRYING, "not_before": timezone.now() + timedelta(seconds=seconds)}
        case Waiting(parent=parent, until=until):
            named = {"parent": parent.place, "parent_key": parent.key}
            moment = _waited_until(waiting, named) or clock.for_field(until)
            return {**state, **named, "state": Letter.WAITING, "not_before": moment, "waits_until": moment}
        case _:
            return {**state, "state": Letter.DEAD, "not_before": None}


def _waited_until(waiting: Letter | None, named: dict[str, str]) -> datetime | None:
    if waiting is None or (waiting.parent, waiting.parent_key) != (named["parent"], named["parent_key"]):
        return None
    return waiting.waits_until


def _outranks(waiting: Letter, values: dict[str, Any], outcome: Kept) -> bool:
    """A newer message waits already; or the same one does and has been tried more often than this duplicate of it.

    What waits for its parent has not been tried more often by that; only what is dead already stays so.
    """
    if waiting.state == Letter.ASKED:
        return bool(waiting.revision > values.get("revision", -1))
    signal_type, revision = values.get("signal_type", ""), values.get("revision", -1)
    ranks = (
        rank(waiting.revision, waiting.signal_type != SignalType.SAVE),
        rank(revision, signal_type != SignalType.SAVE),
    )
    if ranks[0] != ranks[1]:
        return ranks[0] > ranks[1]
    may_equal = isinstance(outcome, Waiting) and waiting.state != Letter.DEAD
    tries = waiting.attempts - may_equal
    return bool(signal_type) and waiting.signal_type == signal_type and bool(tries >= values["attempts"])
