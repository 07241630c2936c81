"""Who publishes after a commit: in mode "commit" a thread of this process, in mode "relay" ``manage.py cqrs_relay``.

The request pays for its INSERTs and a nudge; serializing and talking to the broker happen elsewhere.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from django.db import Error, connections

from celery_cqrs import conf, transport
from celery_cqrs.background import Background
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.gathering import Gathering

IDLE_SECONDS = 5.0
FAULT_SECONDS = 1.0

_in_this_thread = threading.local()
_nudged: set[str] = set()
_gathering = Gathering()


def mark_captured(using: str) -> None:
    """Note that the transaction open on ``using`` in this thread has captured something."""
    _captured().add(using)


def after_commit(using: str, saved: Any = None) -> Callable[[], None]:
    """The function for ``on_commit``: the first of a transaction publishes, the others find nothing left to do.

    ``saved`` is an instance whose count of saves ends with the transaction.
    """
    reference = None if saved is None else weakref.ref(saved)

    def publish_captured() -> None:
        instance = None if reference is None else reference()
        if instance is not None:
            instance.reset_cqrs_saves_count()
        if using in _captured():
            _captured().discard(using)
            publish(using)

    return publish_captured


def publish(using: str) -> None:
    """Have what was committed on ``using`` published, in the way that the settings ask for."""
    if transport.current().synchronous:
        drain_all(using)
    elif conf.master.publish == "commit":
        _nudged.add(using)
        _thread.wake()


def finish() -> None:
    """Publish what is nudged before this process ends."""
    _thread.finish()


def _captured() -> set[str]:
    aliases: set[str] = _in_this_thread.__dict__.setdefault("captured", set())
    return aliases


def _drain_nudged() -> float | None:
    """The work of the thread. Returns the seconds after which to try again; None when all is published."""
    rows, is_away = 0, False
    for using in tuple(_nudged):
        try:
            rows += 0 if breaker.rest_seconds() else _drain_one(using)
        except Error:  # InterfaceError (closed by the server) is no DatabaseError
            connections.close_all()
            is_away = True
    _thread.rest(_gathering.seconds(rows))
    return breaker.rest_seconds() or (FAULT_SECONDS if is_away else None)


def _drain_one(using: str) -> int:
    """Returns the count of rows. An alias that could not be finished stays nudged."""
    _nudged.discard(using)
    finished = False
    try:
        rows = drain_all(using, may_go_on=_thread.may_go_on)
        finished = not breaker.rest_seconds()
    finally:
        if not finished:
            _nudged.add(using)
    return rows


def _release() -> None:
    connections.close_all()
    transport.current().release()


_thread = Background("celery_cqrs-publisher", _drain_nudged, _release, IDLE_SECONDS)
