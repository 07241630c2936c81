"""What is older than deletions are remembered is not applied: the master is asked for the present state instead.

A question is a wake-up and may be lost: a letter asks again every hour, what came from the broker stays unconfirmed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from celery_cqrs import conf, signals, transport
from celery_cqrs.batch import MAX_REVISION, RepairKey, RepairRequest
from celery_cqrs.exceptions import TransportError
from celery_cqrs.message import Message
from celery_cqrs.models import Letter
from celery_cqrs.replica import letters
from celery_cqrs.transport.base import REPAIR, Envelope

QUESTIONS = 24
DEFAULT_OUTBOX = "default"
NO_MASTER = (
    "It is older than deletions are remembered, and does not say which master it came from. Sync the row from there "
    "(instance.cqrs_sync()), then purge this letter."
)
NO_ANSWER = (
    f"It is older than deletions are remembered, and the master was asked {QUESTIONS} times in vain for the present "
    "state. Look at the log of the master's worker: the row may be filtered out, or not be meant for this queue."
)


def ask(messages: Iterable[Message]) -> list[Message]:
    """Ask the masters of ``messages`` for the present state of their keys; returns those that have been asked for."""
    grouped: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for message in messages:
        if message.reply_to:
            grouped[(message.reply_to, message.outbox or DEFAULT_OUTBOX)].append(message)
    return [message for (reply_to, outbox), group in grouped.items() for message in _ask(reply_to, outbox, group)]


def ask_for_letters(using: str, pairs: Sequence[tuple[Letter, Message]]) -> None:
    """Ask for the keys of letters that are too old; each waits for its answer, and dies after QUESTIONS without one."""
    hopeful = []
    for letter, message in pairs:
        if not message.reply_to:
            _bury(using, letter, message, NO_MASTER)
        elif letter.state == Letter.ASKED and letter.attempts >= QUESTIONS:
            _bury(using, letter, message, NO_ANSWER)
        else:
            hopeful.append((letter, message))
    asked = {id(message) for message in ask(message for _, message in hopeful)}
    letters.note_asked(using, [letter for letter, message in hopeful if id(message) in asked])


def _ask(reply_to: str, outbox: str, messages: list[Message]) -> list[Message]:
    keys = tuple(RepairKey(one.cqrs_id, one.instance_pk, min(one.revision, MAX_REVISION)) for one in messages)
    request = RepairRequest(conf.service.queue, outbox, keys)
    try:
        transport.current().send(Envelope(REPAIR, reply_to, request.to_dict(), request.summary))
    except TransportError as error:
        signals.ask_failed.send_robust(Letter, reply_to=reply_to, error=error)
        return []
    signals.asked.send_robust(Letter, reply_to=reply_to, messages=messages)
    return messages


def _bury(using: str, letter: Letter, message: Message, reason: str) -> None:
    letters.bury(using, letter, f"{reason} It had failed before: {letter.reason}")
    signals.died.send_robust(Message, message=message, reason=reason)
