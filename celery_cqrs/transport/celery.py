"""Celery's transport: one anonymous-exchange send per queue, on a bounded and confirmed connection of our own.

On the app's own connection a frozen broker blocks for ever, and a frozen RabbitMQ answers OK without confirms.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery, current_app
from celery.app.routes import Router
from django.utils.module_loading import import_string
from kombu import Queue
from kombu.exceptions import OperationalError

from celery_cqrs import conf
from celery_cqrs.exceptions import (
    BatchRefused,
    BrokerTooSlow,
    BrokerUnavailable,
    CeleryAppNotFound,
    QueueFull,
    QueueMissing,
    TransportError,
)
from celery_cqrs.transport.base import Envelope, Transport
from celery_cqrs.transport.writing import Writer, argument

NO_ROUTE = 312
REFUSALS = (311, 406, 501)
"""AMQP reply codes: content too large, precondition failed (larger than max_message_size), frame error."""


def find_app() -> Celery:
    """The app that CQRS["celery_app"] names, else ``<settings package>.celery:app``, else a configured current_app.

    Raises CeleryAppNotFound: in a web process ``current_app`` is often an unconfigured default, bound for localhost.
    """
    try:
        return _import_app(_path())
    except CeleryAppNotFound:
        if not conf.service.celery_app and current_app.main and current_app.main != "default":
            return current_app._get_current_object()
        raise


def app_path() -> str:
    """Where a process that is yet to start finds the app, for ``celery -A``. Raises CeleryAppNotFound."""
    _import_app(_path())
    module, _, name = _path().replace(":", ".").rpartition(".")
    return f"{module}:{name}"


def _path() -> str:
    guess = f"{_package_of(os.environ.get('DJANGO_SETTINGS_MODULE', ''))}.celery:app"
    return conf.service.celery_app or guess


def _package_of(module: str) -> str:
    """The project package of a settings module: "proj" for proj.settings and for proj.settings.production."""
    parts = module.split(".")
    return ".".join(parts[: parts.index("settings")]) if "settings" in parts[1:] else ".".join(parts[:-1])


def _import_app(path: str) -> Celery:
    try:
        app = import_string(path.replace(":", "."))
    except (ImportError, TypeError, ValueError) as error:  # ".celery:app" comes from settings without a package
        raise CeleryAppNotFound(tried=repr(path)) from error
    if not isinstance(app, Celery):
        raise CeleryAppNotFound(tried=repr(path))
    return app


class CeleryTransport(Transport):
    """Sends tasks through the broker of this service's Celery app, with a connection per thread."""

    def __init__(self) -> None:
        self._producers: dict[int, Any] = {}
        self._inherited: list[Any] = []
        os.register_at_fork(after_in_child=self._forget)

    def send(self, envelope: Envelope) -> None:
        """Publish one task and wait, for a bounded time, until the broker has it. Raises as the contract says.

        A connection that was open before may have been cut meanwhile; then a fresh one gets a try.
        """
        app = find_app()
        reused = threading.get_ident() in self._producers
        try:
            self._send_once(app, envelope)
        except BrokerUnavailable:
            if not reused:
                raise
            self._send_once(app, envelope)

    def _send_once(self, app: Celery, envelope: Envelope) -> None:
        try:
            self._publish(app, envelope)
        except broker_errors(app) as error:
            self.release()
            raise _translated(error, envelope) from error

    def release(self) -> None:
        """Close the connection of the calling thread."""
        producer = self._producers.pop(threading.get_ident(), None)
        if producer is not None:
            _close(producer)

    def _publish(self, app: Celery, envelope: Envelope) -> None:
        """Every option is said: routes, expiry and limits that a project sets for all its tasks are not for ours."""
        seconds = conf.master.socket_timeout_seconds
        signed = app.conf.task_serializer == "auth"
        app.send_task(
            envelope.task,
            args=(envelope.payload if signed else argument(app, envelope),),
            argsrepr=envelope.summary,
            kwargsrepr="",
            queue=Queue(envelope.queue, no_declare=True),
            countdown=envelope.countdown_seconds,
            serializer="auth" if signed else "json",
            producer=self._producer(app),
            router=Router(app=app),
            ignore_result=True,
            expires=None,
            time_limit=None,
            soft_time_limit=None,
            mandatory=True,
            retry=False,
            timeout=seconds,
            confirm_timeout=seconds,
        )

    def _producer(self, app: Celery) -> Any:
        mine = threading.get_ident()
        if mine not in self._producers:
            self._producers[mine] = _producer(bounded_connection(app))
        return self._producers[mine]

    def _forget(self) -> None:
        """In a forked child the sockets are the parent's: kept unused, since closing one would close the parent's."""
        self._inherited.append(self._producers)
        self._producers = {}


def bounded_connection(app: Celery) -> Any:
    """A connection like the app's own, on which nothing waits longer than ``socket_timeout_seconds``."""
    seconds = conf.master.socket_timeout_seconds
    plain = app.connection_for_write()
    bounds = BOUNDS.get(str(plain.transport.driver_type), _no_bounds)(seconds)
    once_each = {"max_retries": max(0, len(plain.alt) - 1), "interval_start": 0, "interval_step": 0}
    options = {**app.conf.broker_transport_options, **bounds, **once_each}
    return app.connection_for_write(connect_timeout=seconds, heartbeat=0, transport_options=options)


def broker_errors(app: Celery) -> tuple[type[Exception], ...]:
    """What is raised when the broker of this app cannot be reached, its driver's own errors among them."""
    driver = app.connection_for_write().transport
    return (OperationalError, AMQPError, OSError, *driver.connection_errors, *driver.channel_errors)


def _amqp_bounds(seconds: float) -> dict[str, Any]:
    return {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}


def _redis_bounds(seconds: float) -> dict[str, Any]:
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry_on_timeout": False}


def _no_bounds(seconds: float) -> dict[str, Any]:
    return {}


BOUNDS = {"amqp": _amqp_bounds, "redis": _redis_bounds}


def _translated(error: Exception, envelope: Envelope) -> TransportError:
    """What a driver's error means: trouble with the broker, with this queue or with this batch."""
    cause = error.__cause__ if isinstance(error, OperationalError) and error.__cause__ else error
    code = getattr(cause, "reply_code", None) or getattr(cause, "code", None)
    if isinstance(cause, MessageNacked):
        return QueueFull(queue=envelope.queue)
    if code == NO_ROUTE:
        return QueueMissing(queue=envelope.queue)
    if code in REFUSALS:
        return BatchRefused(queue=envelope.queue, problem=str(cause))
    kind = BrokerTooSlow if type(cause).__name__ == "TimeoutError" else BrokerUnavailable  # redis-py has one of its own
    return kind(problem=f"{type(cause).__name__}: {cause}")


def _producer(connection: Any) -> Any:
    make: Any = Writer
    return make(connection, auto_declare=False)


def _close(producer: Any) -> None:
    try:
        producer.connection.collect(socket_timeout=conf.master.socket_timeout_seconds)
    except (OSError, OperationalError, AMQPError):
        return
