"""Celery settings of the project that our tasks cannot work with, or work badly with.

Only what the package cannot say on its own tasks and connection. Everything here was seen to happen: see the page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.checks.configuration import is_importable
from celery_cqrs.checks.problems import error, warning
from celery_cqrs.transport import health

BATCH_SECONDS = 60
"""A batch, with the wait for a database that is away, takes less than this."""
BACK_SECONDS = 900
PREFETCH_HINT = "Set worker_prefetch_multiplier = 1: what one worker holds waits for it while others are idle."


def check_worker(app: Any) -> Iterator[CheckMessage]:
    """What is wrong with the settings of this Celery app."""
    for check in (_check_content, _check_signing, _check_protocol, _check_queues, _check_eager):
        yield from check(app)
    for check in (_check_visibility, _check_prefetch, _check_limits, _check_shutdown, _check_beat):
        yield from check(app)


def _check_content(app: Any) -> Iterator[CheckMessage]:
    """Celery acknowledges what it refuses to read: the master would send for ever and nothing would arrive."""
    ours = "auth" if health.signs(app) else "json"
    for sent, by in {app.conf.task_serializer: "which beat sends", ours: "which celery_cqrs sends"}.items():
        if not health.accepts(app, sent):
            sentence = f"accept_content = {app.conf.accept_content!r} refuses {sent!r}, {by}."
            yield error(20, sentence, f"Add {sent!r} to accept_content: workers acknowledge and drop what they refuse.")


def _check_signing(app: Any) -> Iterator[CheckMessage]:
    if not health.signs(app):
        return
    if not health.can_sign():
        sentence = "task_serializer is 'auth', and no key to sign with was set up."
        yield error(23, sentence, "Call app.setup_security() in celery.py, after the app is configured.")
    others = health.accepted_unsigned(app)
    if others:
        sentence = f"Tasks are signed, and accept_content lets unsigned ones in: {', '.join(others)}."
        yield warning(24, sentence, 'Set accept_content = ["auth"], once every service signs.')


def _check_protocol(app: Any) -> Iterator[CheckMessage]:
    if app.conf.task_protocol == 1:
        hint = "Remove task_protocol: version 2 is the default, and carries a summary instead of the data."
        yield error(21, "task_protocol = 1 shows the data of your rows in worker logs and Flower.", hint)


def _check_queues(app: Any) -> Iterator[CheckMessage]:
    if not app.conf.task_create_missing_queues and conf.service.queue not in app.amqp.queues:
        sentence = f"task_create_missing_queues is False, and task_queues does not have {conf.service.queue!r}."
        yield error(22, sentence, f"Add Queue({conf.service.queue!r}) to task_queues: worker and beat cannot find it.")


def _check_eager(app: Any) -> Iterator[CheckMessage]:
    if app.conf.task_always_eager:
        hint = 'In tests, set CQRS["transport"] = "celery_cqrs.transport.memory.MemoryTransport".'
        yield warning(20, "task_always_eager has no effect on changes: they go to the broker all the same.", hint)


def _check_visibility(app: Any) -> Iterator[CheckMessage]:
    """Redis alone: for so long it hides what a worker took, also from the next worker when that one is dead."""
    if not health.uses_redis(app):
        return
    hidden, back = health.visibility_seconds(app), health.restore_seconds(app)
    hint = 'Set broker_transport_options = {"visibility_timeout": 300}, the same in every app on this Redis database.'
    if hidden < BATCH_SECONDS:
        sentence = f"Redis gives a batch to a second worker after {hidden:g} s, while the first may be at it."
        yield warning(21, sentence, hint)
    elif back > BACK_SECONDS:
        sentence = f"What a killed worker held comes back from Redis after up to {back:,.0f} s."
        yield warning(21, sentence, f"{hint} Silence W021 when tasks of yours run or wait for longer.")


def _check_prefetch(app: Any) -> Iterator[CheckMessage]:
    multiplier = app.conf.worker_prefetch_multiplier
    if multiplier != 1 and not app.conf.get("worker_disable_prefetch"):
        held = f"{multiplier} batches for each of its processes" if multiplier else "every batch that waits"
        sentence = f"A worker takes {held} (worker_prefetch_multiplier = {multiplier})."
        yield warning(22, sentence, PREFETCH_HINT)


def _check_limits(app: Any) -> Iterator[CheckMessage]:
    for name in ("task_time_limit", "task_soft_time_limit"):
        seconds = app.conf[name]
        if seconds and seconds < BATCH_SECONDS:
            sentence = f"{name} = {seconds:g} ends a batch that waits for its database or for slow hooks."
            yield warning(27, sentence, f"Set it to {BATCH_SECONDS} s or more, or on your own tasks alone.")


def _check_shutdown(app: Any) -> Iterator[CheckMessage]:
    if os.environ.get("REMAP_SIGTERM") == "SIGQUIT" and not app.conf.worker_soft_shutdown_timeout:
        hint = f"Set worker_soft_shutdown_timeout = {BATCH_SECONDS}, and a longer grace period for the container."
        yield warning(25, "REMAP_SIGTERM makes every SIGTERM kill the batches in hand.", hint)


def _check_beat(app: Any) -> Iterator[CheckMessage]:
    if apps.is_installed("django_celery_beat") and not _reads_the_database(app.conf.beat_scheduler):
        sentence = "django_celery_beat is installed, and beat does not read its tables."
        hint = 'Set beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler", or run beat with -S django '
        yield warning(23, sentence, f"{hint}and silence W023.")


def _reads_the_database(scheduler: Any) -> bool:
    path = str(scheduler).replace(":", ".")
    if path == "django" or not is_importable(path):
        return path == "django"
    database_scheduler = import_string("django_celery_beat.schedulers.DatabaseScheduler")
    loaded = import_string(path)
    return isinstance(loaded, type) and issubclass(loaded, database_scheduler)
