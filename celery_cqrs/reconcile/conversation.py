"""Step 7: the master compares its rows with a replica's, and repairs what differs.

A run is a conversation: hello (can we be compared?), chunks (equal or not?), rows (which are there?), keys (the second
look), then repairs. All that is known stands in the rows of the run and of its open questions, so that any worker may
take the next step, at any moment, also after another one was killed in the middle of one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from time import monotonic
from typing import Any

from django.db import connections

from celery_cqrs import conf, signals, transport
from celery_cqrs.border import result_or_error
from celery_cqrs.database import tables
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.exceptions import MessageRefused, TransportError
from celery_cqrs.models import Inquiry, Outbox, Reconciliation
from celery_cqrs.reconcile import answers, asking, lease, runs, walk
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.reconcile.wire import GO_ON, HELLO, START, Answer, Order
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.transport.base import RECONCILE, Envelope

STEP_SECONDS = 20.0
RUNS_PER_QUEUE = 2
"""Which are under way at the same time; others wait for them."""
TOO_MANY = (
    "{extra} extra rows are left alone: that is more than max_delete_ratio ({ratio:g}) of the replica's {rows}. "
    "If they are to be deleted: manage.py cqrs_reconcile --force."
)
EMPTY = (
    "The master has no row at all, so the replica's {extra} are left alone. "
    "If they are to be deleted: manage.py cqrs_reconcile --force."
)


def take(payload: Any) -> None:
    """The door of ``celery_cqrs.reconcile``: an order of beat's or a person's, or a replica's answer.

    Raises MessageRefused.
    """
    if isinstance(payload, Mapping) and "order" in payload:
        _obey(Order.from_message(payload))
    else:
        _take_answer(Answer.from_message(payload), len(json.dumps(payload)))


def start(
    using: str, wish: Wish, cqrs_ids: Collection[str] = (), queues: Collection[str] = (), *, by_hand: bool = False
) -> list[Reconciliation]:
    """Ask for a run of each model with each of its queues (default: all there are); returns those that are new.

    ``by_hand``: a person waits, and a worker is told to begin.
    """
    wanted = [(model, queue) for model, queue in runs.pairs(using) if _is_among(model, queue, cqrs_ids, queues)]
    begun = [runs.request(using, model, queue, wish, by_hand=by_hand) for model, queue in wanted]
    if by_hand:
        send_order(Order(GO_ON))
    return [run for run in begun if run is not None]


def _is_among(model: Any, queue: str, cqrs_ids: Collection[str], queues: Collection[str]) -> bool:
    return (not cqrs_ids or model.CQRS_ID in cqrs_ids) and (not queues or queue in queues)


def tick(using: str) -> None:
    """What beat does every few seconds: late questions are asked again, and what was killed goes on."""
    for run in runs.active_runs(using):
        if run.state == Reconciliation.RUNNING and asking.ask_again(using, run):
            is_paused = asking.is_paused(using, run.queue)
            if is_paused:
                asking.give_up_waiting(using, run)
    go_on_all(using)


def go_on_all(using: str) -> None:
    """Take the next steps of the oldest runs of each queue."""
    under_way: Counter[str] = Counter()
    for run in runs.active_runs(using):
        under_way[run.queue] += 1
        if under_way[run.queue] <= RUNS_PER_QUEUE:
            go_on(using, run.pk)


def go_on(using: str, run_id: int) -> None:
    """Take all steps of a run that can be taken now, unless another worker does."""
    ends_at = monotonic() + STEP_SECONDS
    while has_work(using, run_id):
        if monotonic() > ends_at:
            send_order(Order(GO_ON))
            return
        fence = lease.take(using, run_id)
        if fence is None:
            return
        try:
            done = result_or_error(_advance, using, run_id, fence, ends_at)
        finally:
            lease.release(using, run_id, fence)
        if isinstance(done, Exception):
            _fail(using, run_id, done)


def has_work(using: str, run_id: int) -> bool:
    """Whether a run can go on without waiting for an answer, for its queue or for the broker."""
    run = runs.active_runs(using).filter(pk=run_id).first()
    if run is None or asking.is_paused(using, run.queue):
        return False
    if run.state == Reconciliation.REQUESTED:
        return True
    asked, waiting = asking.count_open(using, run_id)
    if waiting and asked < asking.AT_ONCE:
        return True
    if not run.key_kind:
        return False
    return not asked and not waiting if run.walked else asked + waiting < walk.MOST_OPEN


def send_order(order: Order) -> bool:
    """Give an order to this service's own worker; False when the broker is away, and beat's next tick must do."""
    try:
        transport.current().send(Envelope(RECONCILE, conf.service.queue, order.to_dict(), order.order))
    except TransportError:
        return False
    return True


def _obey(order: Order) -> None:
    for using in tables.aliases(Outbox):
        if order.order == START:
            start(using, Wish(deep=order.deep, repair=conf.reconcile.repair))
        go_on_all(using)


def _take_answer(answer: Answer, size: int) -> None:
    """An answer to a question that is no longer open is one that came twice."""
    using = answer.outbox
    if using not in connections or not tables.exists(using, Outbox):
        raise MessageRefused(problem=f"it answers a question of database {using!r}, which has no outbox here.")
    run = runs.active_runs(using).filter(token=answer.run, queue=answer.queue).first()
    inquiry = run and Inquiry.objects.using(using).filter(pk=answer.number, run=run, kind=answer.kind).first()
    if run is None or inquiry is None:
        return
    runs.note_bytes(using, run.pk, size, heard=True)
    taken = result_or_error(answers.take, using, run, inquiry, answer.body)
    if isinstance(taken, Exception):
        _fail(using, run.pk, taken)
    go_on(using, run.pk)
    _let_others_begin(using, run)


def _let_others_begin(using: str, run: Reconciliation) -> None:
    """When a run has ended, those that wait for it may begin."""
    active = runs.active_runs(using)
    if not active.filter(pk=run.pk).exists() and active.filter(state=Reconciliation.REQUESTED).exists():
        send_order(Order(GO_ON))


def _advance(using: str, run_id: int, fence: int, ends_at: float) -> None:
    """The next step: greet, ask what waits, walk on, or finish."""
    run = runs.active_runs(using).get(pk=run_id)
    if MasterRegistry.get_model_by_cqrs_id(run.cqrs_id) is None:
        runs.end(using, run_id, Reconciliation.NOT_COMPARABLE, "No master model has this CQRS_ID any more.")
        return
    if run.state == Reconciliation.REQUESTED:
        _greet(using, run)
    asking.ask(using, run)
    if not run.key_kind:
        return
    if not run.walked:
        walk.walk(using, run, fence, lambda: monotonic() < ends_at)
    elif asking.count_open(using, run_id) == (0, 0):
        _finish(using, run, fence)


def _greet(using: str, run: Reconciliation) -> None:
    begins = runs.active_runs(using).filter(pk=run.pk, state=Reconciliation.REQUESTED)
    run.state = Reconciliation.RUNNING
    with write_transaction(using):
        if begins.update(state=run.state):
            asking.add(using, run, HELLO, {})
    signals.comparison_started.send_robust(Reconciliation, run=run, using=using)


def _finish(using: str, run: Reconciliation, fence: int) -> None:
    """All is answered: extra rows are deleted, if they are not too many."""
    run.refresh_from_db(using=using)
    note = _objection(run)
    extras = Inquiry.objects.using(using).filter(run=run, kind=asking.EXTRAS).order_by("id")
    for inquiry in extras if not note else ():
        answers.delete_extras(using, run, inquiry)
        if not lease.keep(using, run.pk, fence):
            return
    runs.end(using, run.pk, Reconciliation.COMPLETE, note)


def _objection(run: Reconciliation) -> str:
    """Why extra rows are not deleted; empty when they may be."""
    if run.force or not run.extra or not run.repair:
        return ""
    if not run.master_rows:
        return EMPTY.format(extra=run.extra)
    ratio = conf.reconcile.max_delete_ratio
    is_much = run.extra > ratio * run.replica_rows
    return TOO_MANY.format(extra=run.extra, ratio=ratio, rows=run.replica_rows) if is_much else ""


def _fail(using: str, run_id: int, error: Exception) -> None:
    """An error of the project's own code ends its run alone; the others go on."""
    reason = str(error) if isinstance(error, MessageRefused) else type(error).__name__
    runs.end(using, run_id, Reconciliation.FAILED, f"It ended with an error: {reason}")
