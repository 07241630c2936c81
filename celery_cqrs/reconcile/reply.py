"""The replica's side: every question of a master is answered, from what is there at this moment. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import router

from celery_cqrs import signals, tombstones, transport
from celery_cqrs.border import result_or_error
from celery_cqrs.columns import clean_key
from celery_cqrs.database.keys import among
from celery_cqrs.exceptions import TransportError
from celery_cqrs.models import Reconciliation, Tombstone
from celery_cqrs.reconcile.bodies import Sight, digests_of, intervals_of, keys_of, to_wire
from celery_cqrs.reconcile.closer import digests_of_slices
from celery_cqrs.reconcile.columns import columns_shared, key_kind_shared, scheme_for
from celery_cqrs.reconcile.rows import Rows, RowState, replica_rows
from celery_cqrs.reconcile.wire import CHUNKS, FAILED, HELLO, KEYS, ROWS, Answer, Question
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica import letters
from celery_cqrs.replica.settle import letters_alias
from celery_cqrs.transport.base import RECONCILE, Envelope

MOST_ROWS = 100_000
"""In one answer, whatever the question asks for."""


def reply(payload: Any) -> Answer:
    """Answer ``payload`` (a Question on the wire); the master asks again for an answer that is lost.

    Raises MessageRefused.
    """
    question = Question.from_message(payload)
    answer = Answer(
        question.run, question.number, question.outbox, question.queue, question.kind, answer_body(question)
    )
    try:
        transport.current().send(Envelope(RECONCILE, question.reply_to, answer.to_dict(), question.summary))
    except TransportError as error:
        signals.answer_failed.send_robust(Reconciliation, reply_to=question.reply_to, error=error)
    return answer


def answer_body(question: Question) -> dict[str, Any]:
    """What there is to say to ``question``; what goes wrong here ends the master's run with this reason."""
    model = ReplicaRegistry.get_model_by_cqrs_id(question.cqrs_id)
    reason = _refusal(model)
    if reason is not None:
        return {FAILED: reason}
    found = result_or_error(ANSWERS[question.kind], question, model)
    return {FAILED: f"{type(found).__name__} while it answered"} if isinstance(found, Exception) else found


def _refusal(model: Any) -> str | None:
    if model is None:
        return "no replica model has this CQRS_ID"
    return "its replica model has CQRS_NO_DB_OPERATIONS" if model.CQRS_NO_DB_OPERATIONS else None


def _hello(question: Question, model: Any) -> dict[str, Any]:
    """Which of the master's columns can be compared here, and how both sides are to write their keys."""
    using = router.db_for_write(model)
    kind = key_kind_shared(model, using, question.key_kind)
    if kind is None:
        return {FAILED: f"keys of the master ({question.key_kind}) and of this replica cannot be compared"}
    shared = columns_shared(model, using, question.columns)
    return {"key_kind": kind, "columns": [column.name for column in shared]}


def _chunks(question: Question, model: Any) -> dict[str, Any]:
    """For each chunk null where both sides are equal, else the digests of its slices here."""
    rows, intervals = _rows(question, model), intervals_of(question.body)
    pairs = zip(rows.digests(intervals), digests_of(question.body.get("digests")), strict=True)
    differing = [number for number, (ours, theirs) in enumerate(pairs) if ours != theirs]
    closer = digests_of_slices(rows, [intervals[number] for number in differing], int(question.body["slices"]))
    found = {number: to_wire(digests) for number, digests in zip(differing, closer, strict=True)}
    return {"chunks": [found.get(number) for number in range(len(intervals))]}


def _states(question: Question, model: Any) -> dict[str, Any]:
    """The rows in some intervals, and the position to ask on from when there are more."""
    limit = min(int(question.body.get("limit", MOST_ROWS)), MOST_ROWS)
    found, go_on_at = _rows(question, model).states(intervals_of(question.body), limit)
    return {"rows": to_wire(found), "next": go_on_at}


def _sights(question: Question, model: Any) -> dict[str, Any]:
    """What is known here of some keys: their rows, tombstones and letters."""
    keys = keys_of(question.body)
    graves = tombstones.find(router.db_for_write(model), Tombstone.REPLICA, model.CQRS_ID, keys)
    waiting = _with_letters(model, keys)
    rows = _rows(question, model).find(keys)  # after the tombstones: who is deleted meanwhile is seen without either
    seen = (_sight(key, rows.get(key), graves.get(key), key in waiting) for key in keys)
    return {"seen": to_wire(seen)}


def _sight(key: str, row: RowState | None, grave: int | None, has_letter: bool) -> Sight:
    revision, content = (None, None) if row is None else (row.revision, row.content)
    return Sight(key, revision, content, None if grave == Tombstone.PLACEHOLDER else grave, has_letter)


def _with_letters(model: Any, keys: list[str]) -> set[str]:
    texts = {clean_key(key): key for key in keys}
    found: set[str] = set()
    for using in {router.db_for_write(model), letters_alias()}:
        kept = letters.of_queue(using).filter(cqrs_id=clean_key(model.CQRS_ID))
        found.update(among(kept, "pk_text", texts).values_list("pk_text", flat=True))
    return {texts[text] for text in found}


def _rows(question: Question, model: Any) -> Rows:
    scheme = scheme_for(question.key_kind)
    return replica_rows(model, router.db_for_write(model), question.columns, scheme, question.key_kind)


ANSWERS: dict[str, Callable[[Question, Any], dict[str, Any]]] = {
    HELLO: _hello,
    CHUNKS: _chunks,
    ROWS: _states,
    KEYS: _sights,
}
