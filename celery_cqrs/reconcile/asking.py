"""Questions on their way: a few at a time, asked again when no answer comes, given up after some tries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import Count, F, Q, Sum

from celery_cqrs import conf, transport
from celery_cqrs.backoff import backoff_seconds
from celery_cqrs.database import clock
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.exceptions import BrokerUnavailable, TransportError
from celery_cqrs.master import breaker
from celery_cqrs.models import Inquiry, Outbox, Reconciliation
from celery_cqrs.reconcile.columns import Column, columns_of_master, key_kind
from celery_cqrs.reconcile.runs import end, note_bytes
from celery_cqrs.reconcile.wire import HELLO, KEYS, Question
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.transport.base import COMPARE, Envelope

EXTRAS = "extras"
"""The kind of an inquiry that is never asked: rows to delete once everything is answered."""
AT_ONCE = 8
TRIES = 5
ANSWER_SECONDS = 30.0
LONGEST_SECONDS = 300.0
BUSY_SECONDS = 6 * 3_600
NO_ANSWER = (
    "The replica did not answer {tries} times. Does a worker of it run, with a celery_cqrs that can compare? "
    "Nothing was deleted."
)
BUSY = "For {hours:g} hours more than {rows} changes have waited for this queue; comparisons wait for them."


def open_questions(using: str, run_id: int) -> Any:
    """What is not answered yet, or not asked yet."""
    return Inquiry.objects.using(using).filter(run_id=run_id).exclude(kind=EXTRAS)


def count_open(using: str, run_id: int) -> tuple[int, int]:
    """How many questions are under way, and how many wait to be asked."""
    under_way = Count("id", filter=Q(asked_at__isnull=False))
    counts = open_questions(using, run_id).aggregate(asked=under_way, waiting=Count("id") - under_way)
    return counts["asked"], counts["waiting"]


def add(using: str, run: Reconciliation, kind: str, payload: Mapping[str, Any]) -> None:
    """Have something asked; in the transaction that knows why."""
    Inquiry(run_id=run.pk, kind=kind, payload=payload).save(using=using)  # type: ignore[misc]  # any plain value


def ask(using: str, run: Reconciliation) -> None:
    """Send what waits to be asked, so that AT_ONCE questions are under way."""
    waiting = _pick(using, run)
    while waiting:
        try:
            _send(using, run, waiting[0])
        except BrokerUnavailable:
            breaker.trip()
            _give_back(using, waiting)
            return
        except TransportError:  # this queue takes nothing now: asked again, and given up, like one without an answer
            pass
        del waiting[0]


def ask_again(using: str, run: Reconciliation) -> bool:
    """Have questions asked again whose answers are late; ends the run, and returns False, after TRIES of them."""
    now = clock.now(using)
    asked = open_questions(using, run.pk).filter(asked_at__isnull=False)
    late = [one for one in asked.only("id", "asked_at", "tries") if _is_late(one, now)]
    if any(one.tries >= TRIES for one in late):
        end(using, run.pk, Reconciliation.NO_ANSWER, NO_ANSWER.format(tries=TRIES))
        return False
    open_questions(using, run.pk).filter(id__in=[one.pk for one in late]).update(asked_at=None)
    return True


def is_paused(using: str, queue: str) -> bool:
    """Whether so many changes wait for the queue that comparing would only find them, or the broker rests."""
    if breaker.rest_seconds():
        return True
    limit = conf.reconcile.pause_rows
    waiting = Outbox.objects.using(using).filter(queue=queue).order_by()[: limit + 1]
    changes: int = waiting.aggregate(changes=Sum("size", default=0))["changes"]
    return changes > limit


def give_up_waiting(using: str, run: Reconciliation) -> bool:
    """End a run that has been paused for hours; returns whether it has."""
    heard = clock.from_field(run.heard_at)
    if heard is None or clock.now(using) - heard < timedelta(seconds=BUSY_SECONDS):
        return False
    note = BUSY.format(hours=BUSY_SECONDS / 3_600, rows=conf.reconcile.pause_rows)
    end(using, run.pk, Reconciliation.BUSY, note)
    return True


def _pick(using: str, run: Reconciliation) -> list[Inquiry]:
    questions = open_questions(using, run.pk)
    skips = connections[using].features.has_select_for_update_skip_locked
    with write_transaction(using):
        room = max(0, AT_ONCE - questions.filter(asked_at__isnull=False).count())
        waiting = questions.filter(asked_at__isnull=True).order_by("id").select_for_update(skip_locked=skips)
        picked = list(waiting[:room])
        now = clock.for_field(clock.now(using))
        questions.filter(id__in=[one.pk for one in picked]).update(asked_at=now, tries=F("tries") + 1)
    return picked


def _send(using: str, run: Reconciliation, inquiry: Inquiry) -> None:
    question = _question(using, run, inquiry)
    payload = question.to_dict()
    transport.current().send(Envelope(COMPARE, run.queue, payload, question.summary))
    note_bytes(using, run.pk, len(json.dumps(payload)))


def _question(using: str, run: Reconciliation, inquiry: Inquiry) -> Question:
    facts: dict[str, Any] = {"run": run.token, "number": inquiry.pk, "reply_to": conf.service.queue, "outbox": using}
    kind, columns = run.key_kind, tuple(Column(*pair) for pair in run.columns)
    if inquiry.kind == HELLO:
        model = MasterRegistry.get_model_by_cqrs_id(run.cqrs_id)
        kind = key_kind(model, using)
        columns = tuple(columns_of_master(model, using, run.queue)) if run.deep else ()
    body = {"keys": [key for key, *_ in inquiry.payload["suspects"]]} if inquiry.kind == KEYS else inquiry.payload
    return Question(
        **facts, queue=run.queue, cqrs_id=run.cqrs_id, kind=inquiry.kind, key_kind=kind, columns=columns, body=body
    )


def _give_back(using: str, unsent: list[Inquiry]) -> None:
    mine = Inquiry.objects.using(using).filter(id__in=[one.pk for one in unsent])
    mine.update(asked_at=None, tries=F("tries") - 1)


def _is_late(inquiry: Inquiry, now: datetime) -> bool:
    asked_at = clock.from_field(inquiry.asked_at) or now
    wait_seconds = backoff_seconds(ANSWER_SECONDS, inquiry.tries - 1, LONGEST_SECONDS)
    return asked_at + timedelta(seconds=wait_seconds) < now
