"""What this service's broker and Celery app are set to do: read here, judged by the checks."""

from __future__ import annotations

from typing import Any

import kombu
from celery import Celery
from kombu.serialization import registry

from celery_cqrs.transport.celery import bounded_connection, broker_errors

SIGNED = "auth"
EVERY_SWEEP_SECONDS = 100
"""What kombu before 5.7 waits between two looks for what killed workers held; later ones can be told."""


def signs(app: Celery) -> bool:
    """Whether this app signs what it sends."""
    return bool(app.conf.task_serializer == SIGNED)


def can_sign() -> bool:
    """Whether ``app.setup_security()`` has been called in this process."""
    return SIGNED in registry.name_to_type


def accepts(app: Celery, serializer: str) -> bool:
    """Whether workers of this app read what ``serializer`` wrote."""
    return app.conf.accept_content is None or not {serializer, _type_of(serializer)}.isdisjoint(app.conf.accept_content)


def accepted_unsigned(app: Celery) -> list[str]:
    """The serializers beside "auth" that workers of this app read."""
    return sorted(set(app.conf.accept_content or ["json"]) - {SIGNED, _type_of(SIGNED)})


def uses_redis(app: Celery) -> bool:
    """Whether the broker is Redis, as kombu's transport for it sees it."""
    return app.connection_for_read().transport_cls in {"redis", "rediss", "sentinel"}


def visibility_seconds(app: Celery) -> float:
    """For how long Redis hides what a worker has taken and not acknowledged."""
    return float(app.conf.broker_transport_options.get("visibility_timeout", 3_600))


def restore_seconds(app: Celery) -> float:
    """After how many seconds, at most, what a killed worker had taken is back: hidden, then seen by a sweep."""
    options = app.conf.broker_transport_options
    sweep = float(options.get("unacked_restore_interval", 10)) * float(options.get("unacked_restore_throttle", 10))
    return visibility_seconds(app) + (sweep if kombu.VERSION >= (5, 7) else EVERY_SWEEP_SECONDS)


def eviction_policy(app: Celery) -> str | None:
    """The ``maxmemory-policy`` of the broker when it is Redis and tells us; None otherwise.

    Takes ``socket_timeout_seconds`` for each step at most; a broker that is away or forbids the question is no reason
    to stop anybody.
    """
    if not uses_redis(app):
        return None
    try:
        with bounded_connection(app) as connection:
            memory: dict[str, Any] = connection.default_channel.client.info("memory")
    except broker_errors(app):
        return None
    return memory.get("maxmemory_policy")


def _type_of(serializer: str) -> str:
    """The content type that a serializer's messages carry."""
    return str(registry.name_to_type.get(serializer, CONTENT_TYPES.get(serializer, serializer)))


CONTENT_TYPES = {SIGNED: "application/data"}
"""Those that kombu knows only once they are set up."""
