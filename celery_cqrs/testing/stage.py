"""What a test holds in its hands: everything from capture to the replica's row, in this process and when it says so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from celery_cqrs import conf, testing, transport
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.replica import receive
from celery_cqrs.testing.passing import pass_time
from celery_cqrs.transport.base import RETRY, Envelope
from celery_cqrs.transport.memory import MemoryTransport

NEEDS = (
    'Tests with celery_cqrs.testing need CQRS["transport"] = "celery_cqrs.transport.memory.MemoryTransport" '
    "in their settings, so that nothing goes to a broker."
)


class Stage:
    """Messages of the databases ``using``. Raises ImproperlyConfigured unless the memory transport is set."""

    def __init__(self, using: Iterable[str] = (DEFAULT_DB_ALIAS,)) -> None:
        if not isinstance(transport.current(), MemoryTransport):
            raise ImproperlyConfigured(NEEDS)
        self.using = tuple(using)
        MemoryTransport.clear()

    def sent(self, queue: str) -> list[dict[str, Any]]:
        """The messages that wait for ``queue``, as they travel, oldest first."""
        testing.publish(self.using)
        return testing.sent_messages(queue)

    def deliver(self, *queues: str) -> int:
        """Deliver what waits for ``queues`` (default: all), and what that brings about; returns how many tasks ran."""
        testing.publish(self.using)
        return testing.deliver(*queues)

    def retry(self) -> None:
        """Try the letters whose time has come, as beat does, and deliver what that brings about."""
        receive.look_for_parents()
        testing.deliver_one(Envelope(RETRY, "", {}, ""))
        self.deliver()

    def reconcile(self, *cqrs_ids: str, deep: bool = False) -> list[Reconciliation]:
        """Compare masters (default: all) with their replicas and repair these, as beat has it done.

        Returns the runs, ended.
        """
        self.deliver()
        wish = Wish(deep=deep, repair=conf.reconcile.repair)
        begun = [run for alias in self.using for run in conversation.start(alias, wish, cqrs_ids, by_hand=True)]
        self.deliver()
        for run in begun:
            run.refresh_from_db()
        return begun

    def pass_time(self, **duration: float) -> None:
        """Make all that has happened older by a duration, given as to ``timedelta``: ``pass_time(minutes=5)``."""
        testing.publish(self.using)
        pass_time(timedelta(**duration), self.using)

    def close(self) -> None:
        """Forget what nobody has delivered."""
        MemoryTransport.clear()
