"""Step 4, and the path of the replica from top to bottom: decode, route, apply, confirm. Read this first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from django.db import router
from django.utils import timezone

from celery_cqrs import signals
from celery_cqrs.batch import Batch
from celery_cqrs.border import result_or_error
from celery_cqrs.database import tables
from celery_cqrs.database.alive import sign_of_life
from celery_cqrs.database.patience import patiently
from celery_cqrs.decode import row_ids
from celery_cqrs.exceptions import MessageRefused, UnknownCqrsId
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Dead, Outcome, Parent, Reason, Skipped, Waiting
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica import at_once, attempts, confirm, keep, knots, resync, retry, settle, waiting
from celery_cqrs.replica.apply import Terms, apply_messages
from celery_cqrs.replica.company import company
from celery_cqrs.replica.order import ordered_groups, ordered_wires

Ending = tuple[Message, Outcome]


def receive(payload: Any, *, redelivered: bool = False) -> Iterator[Ending]:
    """Take one batch from the broker: every message ends as one of the values of ``outcome.py``, and is then confirmed.

    Returns the endings; messages are decoded when they are looked at. A batch of an unknown wire version becomes a
    letter and is not confirmed, so that the master sends it again after an upgrade. Raises only when a database stays
    away; what was not confirmed by then is sent again by the master.
    """
    try:
        batch = Batch.from_message(payload)
    except MessageRefused as error:
        patiently(_keep_malformed, payload, error)
        return iter(())
    if not batch.messages:
        confirm.answer_ping(batch)
        return iter(())
    signals.received.send_robust(Batch, batch=batch)
    return _take(batch, suspect=attempts.is_suspect(batch, redelivered))


def _take(batch: Batch, *, suspect: bool) -> Iterator[Ending]:
    """Group by group: at once where that can be, else message by message."""
    whole: list[Sequence[Ending]] = []
    singly: list[Ending] = []
    for cqrs_id, wires in ordered_wires(batch.messages):
        endings = None if suspect else _take_at_once(batch, cqrs_id, wires)
        if endings is None:
            singly += _take_singly(batch, wires, suspect)
        else:
            whole.append(endings)
    retry.wake_up(singly)
    resync.ask([message for message, outcome in singly if _is_too_old(outcome)])
    return chain(*whole, singly)


def _take_at_once(batch: Batch, cqrs_id: str, wires: Sequence[Any]) -> Sequence[Ending] | None:
    """None when they must go the longer way, which finds out what is wrong with them."""
    model, terms = ReplicaRegistry.get_model_by_cqrs_id(cqrs_id), _terms(fresh=True)
    with company.together():
        ended: at_once.Ended | Exception | None = result_or_error(patiently, at_once.apply, model, batch, wires, terms)
    if isinstance(ended, Exception):
        facts = {"bulk": True, "reason": f"not at once: {type(ended).__name__}"}
        signals.path_chosen.send_robust(model, cqrs_id=cqrs_id, **facts)
        return None
    if ended is None:
        return None
    settle.announce_applied(cqrs_id, ended.applied)
    settle.announce(ended.others)
    if patiently(waiting.release_children, model, router.db_for_write(model), ended):
        retry.wake()
    confirm.confirm_ids(batch, ended.sheet.outbox_ids)
    return ended


def _take_singly(batch: Batch, wires: Sequence[Any], suspect: bool) -> list[Ending]:
    endings: list[Ending] = []
    for cqrs_id, messages in ordered_groups(_valid_messages(batch, wires)):
        settle_them = partial(_apply_and_confirm, batch, cqrs_id)
        endings += (_take_suspects if suspect else _take_trusted)(batch, messages, settle_them)
    return endings


def _is_too_old(outcome: Outcome) -> bool:
    return isinstance(outcome, Skipped) and outcome.reason is Reason.TOO_OLD


def _take_trusted(batch: Batch, messages: Sequence[Message], work: Callable[..., list[Ending]]) -> list[Ending]:
    with company.together():
        return work(messages, False)


def _take_suspects(batch: Batch, messages: Sequence[Message], work: Callable[..., list[Ending]]) -> list[Ending]:
    """The same, counted first. The count of a doomed message stays, so that its other copies end likewise."""
    keyed, using = [(attempts.key_of(batch, message), message) for message in messages], settle.letters_alias()
    with sign_of_life(using) as holder:
        return attempts.work_off(using, keyed, work, uncounted_kills=1, holder=holder)  # by the first delivery


def _apply_and_confirm(batch: Batch, cqrs_id: str, messages: Sequence[Message], doomed: bool) -> list[Ending]:
    endings = apply_to_model(cqrs_id, messages, fresh=True, doomed=doomed)
    confirm.confirm(batch, [message for message, outcome in endings if outcome.confirms])
    if doomed:
        confirm.flush()  # at once: the next copy may kill this process before the gathering ends
    return endings


def apply_to_model(cqrs_id: str, messages: Sequence[Message], *, fresh: bool, doomed: bool = False) -> list[Ending]:
    """Apply the messages of one id and announce how each ended; without a model they become dead letters.

    So do ``doomed`` ones, which have killed their worker too often, unless the guard says that they are stale.
    """
    model = ReplicaRegistry.get_model_by_cqrs_id(cqrs_id)
    if model is None:
        endings = patiently(_keep_unroutable, messages)
    else:
        settled = patiently(apply_messages, model, messages, _terms(fresh, doomed))
        endings = [(one.message, one.outcome) for one in settled]
    settle.announce(endings)
    if model is not None and not model.CQRS_NO_DB_OPERATIONS:
        _reunite(model, endings)
    return endings


def _terms(fresh: bool, doomed: bool = False) -> Terms:
    now = datetime.now(UTC)
    return Terms(now, settle.remembered_since(now), fresh, Dead(attempts.REASON) if doomed else None)


def look_for_parents() -> None:
    """For beat: what waited for long enough is due, and what waits for a row that has come unnoticed."""
    for using in tables.aliases(Letter):
        waiting.release_expired(using, timezone.now())
        _look(using, waiting.next_parents(using))


def _reunite(model: Any, endings: Sequence[Ending]) -> None:
    """Children that waited for what has been applied are due, and so is what has missed a parent by a moment."""
    using = router.db_for_write(model)
    released = patiently(waiting.release_children, model, using, endings)
    missed = {outcome.parent for _, outcome in endings if isinstance(outcome, Waiting)}
    if released + patiently(_look, using, missed):
        retry.wake()


def _look(using: str, parents: Collection[Parent]) -> int:
    """Release what waits for ``parents`` that are here, apply what waits in circles; returns how many are due."""
    released = waiting.release_found(using, parents)
    for cqrs_id, endings in knots.untie(using, parents):
        settle.announce(endings)
        released += waiting.release_children(ReplicaRegistry.models[cqrs_id], using, endings)
    return released


def _valid_messages(batch: Batch, wires: Sequence[Any]) -> list[Message]:
    """The messages that can be read; another becomes a dead letter, and what can be read of its ids is confirmed."""
    valid, envelope = [], batch.envelope
    for wire in wires:
        try:
            valid.append(Message.from_message(wire, **envelope))
        except MessageRefused as error:
            patiently(_keep_malformed, wire, error)
            confirm.confirm_ids(batch, _readable_ids(wire))
    return valid


def _readable_ids(wire: Any) -> tuple[int, ...]:
    try:
        return row_ids(wire.get("outbox_ids", []) if isinstance(wire, dict) else [])
    except MessageRefused:
        return ()


def _keep_malformed(wire: Any, error: MessageRefused) -> None:
    keep.keep_malformed(settle.letters_alias(), wire, Dead(str(error)))
    signals.died.send_robust(Message, message=None, reason=str(error), wire=wire)


def _keep_unroutable(messages: Sequence[Message]) -> list[Ending]:
    endings: list[Ending] = [(message, Dead(str(UnknownCqrsId(cqrs_id=message.cqrs_id)))) for message in messages]
    settle.write_rows(settle.letters_alias(), endings)
    return endings
