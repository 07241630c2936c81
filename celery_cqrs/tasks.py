"""Celery's doors: each calls one function. Their names are part of the wire.

All acknowledge late and are rejected when their worker dies; what a broker loses all the same, the master sends again.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

from celery import Celery, Task, shared_task
from celery._state import _get_active_apps, connect_on_app_finalize
from celery.signals import task_postrun, worker_init, worker_process_shutdown, worker_ready, worker_shutdown
from django.db import OperationalError, connections
from kombu.asynchronous import get_event_loop

from celery_cqrs import beat, checks, conf, signals, tombstones
from celery_cqrs.database import tables
from celery_cqrs.database.kept import kept_connections, want_kept_connections
from celery_cqrs.master import publisher, repair
from celery_cqrs.master.backlog import announce_overfull
from celery_cqrs.master.confirm import confirm as confirm_rows
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Letter, Outbox, Reconciliation, Tombstone
from celery_cqrs.reconcile import conversation, reply, runs
from celery_cqrs.replica import attempts, letters, receive, retry
from celery_cqrs.replica import confirm as confirmations
from celery_cqrs.status import note_tick
from celery_cqrs.transport.base import APPLY, COMPARE, CONFIRM, DRAIN, PRUNE, RECONCILE, REPAIR, RETRY

PRUNE_SECONDS = 3_600
ROWS_A_SWEEP = 100_000
ACK_SECONDS = 0.01
GREEN_POOLS = ("gevent", "eventlet")
OPTIONS: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "Request": "celery_cqrs.transport.delivery:Delivery",
    "Strategy": "celery_cqrs.transport.delivery:unread",
}
SWEEP: dict[str, Any] = {**OPTIONS, "expires": 60}
"""For beat's own: a worker that was down finds no pile of them. django-celery-beat ignores the entry's ``expires``."""


@shared_task(name=APPLY, bind=True, **OPTIONS)
@kept_connections()
def apply_batch(self: Task[Any, Any], payload: Any = None, *_: Any, **__: Any) -> None:
    """Apply one batch on a replica."""
    delivery = self.request.delivery_info or {}
    receive.receive(payload, redelivered=bool(delivery.get("redelivered")))


@shared_task(name=CONFIRM, **OPTIONS)
@kept_connections()
def confirm_batches(payload: Any = None, *_: Any, **__: Any) -> None:
    """Take a replica's confirmation on the master."""
    confirm_rows(payload)


@shared_task(name=REPAIR, **OPTIONS)
@kept_connections()
def repair_rows(payload: Any = None, *_: Any, **__: Any) -> None:
    """Capture on the master what a replica asks for."""
    repair.repair(payload)


@shared_task(name=COMPARE, **OPTIONS)
@kept_connections()
def compare_rows(payload: Any = None, *_: Any, **__: Any) -> None:
    """Tell a master what this replica has."""
    reply.reply(payload)


@shared_task(name=RECONCILE, **SWEEP)
@kept_connections()
def reconcile(payload: Any = None, *_: Any, **__: Any) -> None:
    """Compare this master with its replicas: begin, go on, take an answer."""
    conversation.take(payload)


@shared_task(name=DRAIN, **SWEEP)
@kept_connections()
def drain_outbox(*_: Any, **__: Any) -> None:
    """Send again what was lost, and publish what was left behind; what is younger than a sweep has its publisher."""
    note_tick("drain")
    with ExitStack() as sweeps:  # a database that is away hinders no other
        for using in tables.aliases(Outbox):
            sweeps.callback(_sweep, using)


def _sweep(using: str) -> None:
    resend(using)
    drain_all(using, limit=ROWS_A_SWEEP, older_than_seconds=conf.master.sweep_seconds)
    announce_overfull(using)
    conversation.tick(using)


@shared_task(name=RETRY, **SWEEP)
@kept_connections()
def retry_letters(payload: Any = None, *_: Any, **__: Any) -> None:
    """Try the letters whose time has come. Beat, which sends no payload as wake-ups do, also has parents looked for."""
    note_tick("retry")
    if payload is None:
        receive.look_for_parents()
    retry.retry_due(receive.apply_to_model)


@shared_task(name=PRUNE, **SWEEP)
@kept_connections()
def prune_rows(*_: Any, **__: Any) -> None:
    """Forget old deletions and old dead letters."""
    note_tick("prune")
    for using in tables.aliases(Tombstone):
        tombstones.prune(using)
    for using in tables.aliases(Reconciliation):
        runs.prune(using)
    for using in tables.aliases(Letter):
        letters.prune(using)
        attempts.prune(using)


def schedule_beat(app: Celery) -> None:
    """Put this service's entries into the app's ``beat_schedule``; what the project set under their names stays."""
    every = {PRUNE: PRUNE_SECONDS, RETRY: conf.replica.retry_sweep_seconds}
    if conf.master.replicas:
        every[DRAIN] = conf.master.sweep_seconds
    for task, seconds in every.items():
        options = {"queue": conf.service.queue, "expires": max(seconds, 10)}
        app.conf.beat_schedule.setdefault(task, {"task": task, "schedule": seconds, "options": options})
    for name, entry in ({} if beat.has_rows() else beat.entries()).items():
        app.conf.beat_schedule.setdefault(name, entry)


def watch_apps() -> None:
    """Schedule beat on every Celery app of this process, whether it is finalized already or will be."""
    connect_on_app_finalize(schedule_beat)
    for app in _get_active_apps():
        if app.finalized:
            schedule_beat(app)


@worker_init.connect
def refuse_wrong_configuration(**_: Any) -> None:
    """A worker does not start with a configuration that cannot work; its database may be away, which is no reason."""
    try:
        aliases = list(connections)
        on_databases = [*checks.check_tables(databases=aliases), *checks.check_databases(databases=aliases)]
        problems = [*checks.check_configuration(), *on_databases]
    except OperationalError:
        return
    finally:
        connections.close_all()  # the parent of a pool needs none
    errors = [
        f"{problem.id}: {problem.msg} {problem.hint or ''}".strip() for problem in problems if problem.is_serious()
    ]
    if errors:
        raise SystemExit("celery_cqrs refuses to start:\n" + "\n".join(errors))


@worker_init.connect
def keep_connections(sender: Any = None, **_: Any) -> None:
    """Where a thread has task after task; a green one ends with its task, and its connections with it."""
    pool = getattr(sender, "pool_cls", "")
    name = pool if isinstance(pool, str) else pool.__module__
    if not any(green in name for green in GREEN_POOLS):
        want_kept_connections()


@worker_ready.connect
def say_what_should_be_changed(**_: Any) -> None:
    """Once the logs are there: what ``manage.py check`` would say, and what concerns workers alone."""
    for problem in (*checks.check_configuration(), *checks.check_connections(), *checks.check_broker()):
        signals.warned.send_robust(Celery, problem=problem)


@worker_process_shutdown.connect
@worker_shutdown.connect
def send_last_confirmations(**_: Any) -> None:
    """What is settled is told, and what was committed is published, before the process ends."""
    confirmations.finish()
    publisher.finish()


@task_postrun.connect
def acknowledge_soon(sender: Any = None, **_: Any) -> None:
    """Have the hub of a solo worker look around soon: it may be about to sleep for 10 s on this task's late ack.

    Kombu runs what became ready before it polls, and the task among it queues its ack too late for that round; with a
    prefetch of one nothing else comes to wake it. Other pools work in processes or threads of their own.
    """
    hub = get_event_loop()
    is_ours = str(getattr(sender, "name", "")).startswith("celery_cqrs.")
    if is_ours and hub is not None and threading.current_thread() is threading.main_thread():
        hub.call_later(ACK_SECONDS, int)
