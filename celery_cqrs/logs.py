"""Signals → log records of the logger "celery_cqrs": ids, keys and revisions, never field values.

A record about one message carries ``cqrs_id``, ``cqrs_pk``, ``cqrs_revision`` and ``correlation_id`` beside its text;
one about several carries them as a list, ``cqrs_messages``, whose length is bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from django.core.checks import CheckMessage
from django.dispatch import Signal

from celery_cqrs import conf, signals
from celery_cqrs.batch import Batch
from celery_cqrs.message import Message, facts_of
from celery_cqrs.models import Reconciliation
from celery_cqrs.outcome import Reason

LISTED = 20
"""At most so many messages, or rows, are named in one record."""

SHOWN_SQL = 2_000
"""Characters of a statement in a record; that of a batch may have a placeholder for each value."""

logger = logging.getLogger("celery_cqrs")


def connect() -> None:
    """Listen to every signal of the flow."""
    for signal, receiver in RECEIVERS.items():
        signal.connect(receiver, dispatch_uid=f"celery_cqrs.logs.{receiver.__name__}")


def _captured(cqrs_id: str, signal_type: Any, pks: list[Any], queues: list[str], **_: Any) -> None:
    named = [{"cqrs_id": cqrs_id, "cqrs_pk": pk} for pk in pks[:LISTED]]
    text = "captured %d %s of %s for %s"
    logger.info(text, len(pks), signal_type, cqrs_id, ", ".join(queues), extra=_extra(named, len(pks)))


def _published(queue: str, batch: Batch, **_: Any) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    text = "published %d messages to %s (attempt %d)"
    logger.info(text, len(batch.messages), queue, batch.attempt, extra=_batch_facts(batch))


def _publish_failed(queue: str, error: Exception, **_: Any) -> None:
    logger.warning("not published to %s: %s", queue, error)


def _set_aside(cqrs_id: str, pk: str, error: str, revision: int | None, correlation_id: Any, **_: Any) -> None:
    facts = {"cqrs_id": cqrs_id, "cqrs_pk": pk, "cqrs_revision": revision, "correlation_id": correlation_id}
    logger.error("set aside %s %s: %s", cqrs_id, pk, error, extra=facts)


def _resent(queue: str, count: int, probe: bool, **_: Any) -> None:
    if probe:
        logger.info("probing %s with %d changes", queue, count)
    else:
        logger.warning("resending %d changes to %s", count, queue)


def _outbox_overfull(queue: str, limit: int, using: str, **_: Any) -> None:
    logger.warning("overfull: more than %d changes of %s wait for %s", limit, using, queue)


def _dropped(count: int, using: str, **_: Any) -> None:
    logger.warning("dropped %d changes of %s by hand", count, using)


def _confirmed(queue: str, count: int, outbox_ids: Sequence[int], **_: Any) -> None:
    extra = {"cqrs_outbox_ids": list(outbox_ids[:LISTED])}
    logger.info("confirmed %d changes by %s", count, queue, extra=extra)


def _received(batch: Batch, **_: Any) -> None:
    if not logger.isEnabledFor(logging.INFO):  # nobody reads what it takes a while to say
        return
    logger.info(
        "received %d messages from %s (attempt %d): %s",
        len(batch.messages),
        batch.reply_to,
        batch.attempt,
        batch.summary,
        extra=_batch_facts(batch),
    )


def _path_chosen(cqrs_id: str, bulk: bool, reason: str, **_: Any) -> None:
    way = "in bulk" if bulk else "instance by instance"
    logger.debug("applying %s %s", cqrs_id, f"{way}: {reason}" if reason else way)


def _applied(cqrs_id: str, messages: Sequence[Message], **_: Any) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    named = [_facts(message) for message in messages[:LISTED]]
    logger.info("applied %d %s", len(messages), cqrs_id, extra=_extra(named, len(messages)))


def _skipped(message: Message, reason: Reason, **_: Any) -> None:
    logger.info("skipped %s: %s", _name(message), reason, extra=_facts(message))


def _retried(message: Message, reason: str, after_seconds: float, **_: Any) -> None:
    logger.warning("retrying %s in %.1f s: %s", _name(message), after_seconds, reason, extra=_facts(message))


def _waiting(message: Message, reason: str, **_: Any) -> None:
    logger.info("waiting %s: %s", _name(message), reason, extra=_facts(message))


def _released(count: int, using: str, **_: Any) -> None:
    logger.info("released %d letters of %s that waited for other rows", count, using)


def _died(message: Message | None, reason: str, wire: Any = None, **_: Any) -> None:
    if message is None:
        logger.error("dead: %s", reason, extra=facts_of(wire))
    else:
        logger.error("dead %s: %s", _name(message), reason, extra=_facts(message))


def _query_timed_out(cqrs_id: str, sql: str, limit_ms: int, using: str, **_: Any) -> None:
    if conf.replica.CQRS_LOG_TIMED_OUT_QUERIES:
        name = conf.replica.CQRS_QUERY_LOGGER or conf.Replica.CQRS_QUERY_LOGGER.default
        text = "timed out after %d ms on %s, while applying %s: %s"
        logging.getLogger(name).error(text, limit_ms, using, cqrs_id, sql[:SHOWN_SQL])


def _gap_found(message: Message, count: int, **_: Any) -> None:
    logger.info("lost or filtered out %d packages before %s", count, _name(message), extra=_facts(message))


def _race_found(message: Message, **_: Any) -> None:
    logger.info("creation race on %s", _name(message), extra=_facts(message))


def _confirm_failed(reply_to: str, error: Exception, **_: Any) -> None:
    logger.warning("not sent to %s: %s", reply_to, error)


def _asked(reply_to: str, messages: list[Message], **_: Any) -> None:
    for message in messages:
        logger.warning("asked %s for the state of %s", reply_to, _name(message), extra=_facts(message))


def _ask_failed(reply_to: str, error: Exception, **_: Any) -> None:
    logger.warning("did not ask %s for the state of rows: %s", reply_to, error)


def _repaired(queue: str, cqrs_id: str, syncs: int, deletes: int, waiting: int, **_: Any) -> None:
    logger.info("repairing %s for %s: %d SYNC, %d DELETE, %d wait already", cqrs_id, queue, syncs, deletes, waiting)


def _repair_refused(queue: str, cqrs_id: str, count: int, reason: str, **_: Any) -> None:
    logger.warning("not repairing %d %s for %s: %s", count, cqrs_id, queue, reason)


def _comparison_started(run: Reconciliation, **_: Any) -> None:
    logger.info("comparing %s with %s%s", run.cqrs_id, run.queue, ", contents too" if run.deep else "")


def _drift_found(run: Reconciliation, kind: str, keys: list[str], **_: Any) -> None:
    named = [{"cqrs_id": run.cqrs_id, "cqrs_pk": key} for key in keys[:LISTED]]
    text = "drift: %d %s of %s on %s"
    logger.warning(text, len(keys), kind, run.cqrs_id, run.queue, extra=_extra(named, len(keys)))


def _comparison_ended(run: Reconciliation, **_: Any) -> None:
    is_well = run.state == run.COMPLETE and not run.remaining
    text = "compared %s with %s: %s, %d rows, %d differ, %d repaired%s"
    counts = (run.master_rows, run.drift, run.repaired)
    names = (run.cqrs_id, run.queue, run.state)
    logger.log(logging.INFO if is_well else logging.WARNING, text, *names, *counts, run.note and f". {run.note}")


def _answer_failed(reply_to: str, error: Exception, **_: Any) -> None:
    logger.warning("did not answer %s: %s", reply_to, error)


def _wake_up_failed(error: Exception, **_: Any) -> None:
    logger.warning("no wake-up for letters, beat tries them: %s", error)


def _warned(problem: CheckMessage, **_: Any) -> None:
    logger.warning("%s: %s %s", problem.id, problem.msg, problem.hint)


def _name(message: Message) -> str:
    return f"{message.cqrs_id} {message.instance_pk} revision {message.revision}"


def _facts(message: Message) -> dict[str, Any]:
    return {
        "cqrs_id": message.cqrs_id,
        "cqrs_pk": message.instance_pk,
        "cqrs_revision": message.revision,
        "correlation_id": message.correlation_id,
    }


def _batch_facts(batch: Batch) -> dict[str, Any]:
    return _extra([facts_of(wire) for wire in islice(batch.messages, LISTED)], len(batch.messages))


def _extra(named: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """The facts of a single message as they are, of several as a list."""
    return named[0] if count == 1 else {"cqrs_messages": named}


RECEIVERS: dict[Signal, Callable[..., None]] = {
    signals.captured: _captured,
    signals.published: _published,
    signals.publish_failed: _publish_failed,
    signals.set_aside: _set_aside,
    signals.resent: _resent,
    signals.outbox_overfull: _outbox_overfull,
    signals.dropped: _dropped,
    signals.confirmed: _confirmed,
    signals.received: _received,
    signals.path_chosen: _path_chosen,
    signals.applied: _applied,
    signals.skipped: _skipped,
    signals.retried: _retried,
    signals.waiting: _waiting,
    signals.released: _released,
    signals.died: _died,
    signals.query_timed_out: _query_timed_out,
    signals.gap_found: _gap_found,
    signals.race_found: _race_found,
    signals.confirm_failed: _confirm_failed,
    signals.asked: _asked,
    signals.ask_failed: _ask_failed,
    signals.repaired: _repaired,
    signals.repair_refused: _repair_refused,
    signals.comparison_started: _comparison_started,
    signals.drift_found: _drift_found,
    signals.comparison_ended: _comparison_ended,
    signals.answer_failed: _answer_failed,
    signals.wake_up_failed: _wake_up_failed,
    signals.warned: _warned,
}
