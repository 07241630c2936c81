"""The transport, and the Celery app that it sends with."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from celery_cqrs import conf, transport
from celery_cqrs.checks.configuration import is_importable
from celery_cqrs.checks.problems import error, warning
from celery_cqrs.checks.worker import check_worker
from celery_cqrs.exceptions import CeleryAppNotFound
from celery_cqrs.transport import health
from celery_cqrs.transport.base import Transport
from celery_cqrs.transport.celery import CeleryTransport, find_app


def check_transport() -> Iterator[CheckMessage]:
    """That the transport is one of ours, and has a Celery app with settings that it can work with."""
    path = conf.service.transport
    loaded = import_string(path) if is_importable(path) else None
    if not (isinstance(loaded, type) and issubclass(loaded, Transport)):
        hint = "Remove the key (Celery is the transport), or name a class of celery_cqrs.transport."
        yield error(4, f'CQRS["transport"] {path!r} is not a transport of celery_cqrs.', hint)
    elif issubclass(loaded, CeleryTransport):
        yield from _check_app()


def check_broker() -> Iterator[CheckMessage]:
    """How the broker itself is set up, asked over the network: for the start of a worker, not for ``check``."""
    if isinstance(transport.current(), CeleryTransport):
        policy = health.eviction_policy(find_app())
        if policy not in (None, "noeviction"):
            sentence = f"Redis has maxmemory-policy {policy}: when its memory is full it deletes keys, messages too."
            yield warning(26, sentence, "Set maxmemory-policy noeviction, so that it refuses new messages instead.")


def _check_app() -> Iterator[CheckMessage]:
    try:
        app = find_app()
    except CeleryAppNotFound as reason:
        hint = 'Write the usual celery.py beside the settings, or set CQRS["celery_app"] = "proj.celery:app".'
        yield error(7, str(reason), hint)
    else:
        yield from check_worker(app)
