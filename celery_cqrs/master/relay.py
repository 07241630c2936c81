"""Mode "relay": a process of its own that drains, and waits for more, until it is told to stop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection

from django.db import Error, connections

from celery_cqrs import conf
from celery_cqrs.database import tables, wakeup
from celery_cqrs.master import breaker, claim
from celery_cqrs.master.drain import Drained, drain
from celery_cqrs.master.gathering import Gathering
from celery_cqrs.models import Outbox

SHORTEST_PAUSE_SECONDS = 0.002


class Relay:
    """Drains every outbox of this service in turn; any number of relays run side by side.

    With ``queues`` it publishes for these alone; the others are left to other relays, and to beat.
    """

    def __init__(self, queues: Collection[str] | None = None) -> None:
        self._queues = queues
        self._pause_seconds = SHORTEST_PAUSE_SECONDS
        self._gathering = Gathering()
        self._stopping = False
        self._stopped, self._stop = socket.socketpair()

    def stop(self, *_: object) -> None:
        """Finish the claim in hand, then end; fit to be a signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):  # a signal that comes when the run has ended
            self._stop.send(b".")

    def run(self, once: bool = False) -> None:
        """Drain until ``stop``; with ``once`` until nothing is pending or the broker is away."""
        with self._stop, self._stopped:
            while not self._stopping:
                drained = self._round()
                if once and not drained.rows:
                    return
                if drained.rows:
                    self._pause_seconds = SHORTEST_PAUSE_SECONDS
                seconds = self._gathering.seconds(drained.rows)
                if not drained.may_be_more and not once:
                    self._wait(seconds)

    def _round(self) -> Drained:
        """One drain of each database."""
        drained = [self._drain(using) for using in tables.aliases(Outbox) if not self._stopping]
        return Drained(sum(one.rows for one in drained), any(one.may_be_more for one in drained))

    def _drain(self, using: str) -> Drained:
        """A database that is away is asked again at the next look, and keeps nobody from the others."""
        try:
            return drain(using, queues=self._queues)
        except Error:  # InterfaceError (closed by the server) is no DatabaseError
            connections[using].close()
            return Drained()

    def _wait(self, seconds: float) -> None:
        if seconds:
            wakeup.wait([self._stopped], seconds)
        else:
            self._sleep()

    def _sleep(self) -> None:
        """Until something is captured, where that can be heard; otherwise until the next look is due."""
        try:
            aliases = tables.aliases(Outbox)
            if breaker.rest_seconds() or len(aliases) != 1 or not wakeup.can_wake(connections[aliases[0]]):
                wakeup.wait([self._stopped], conf.master.relay_poll_seconds)
            elif not self._sleep_listening(aliases[0]):
                self._pause(aliases[0])
        except Error:  # InterfaceError (closed by the server) is no DatabaseError
            connections.close_all()
            wakeup.wait([self._stopped], conf.master.relay_poll_seconds)

    def _pause(self, using: str) -> None:
        """A writer is at work, or another relay sleeps, and what wakes that one wakes us: look less and less often."""
        wakeup.wait([self._stopped, connections[using]], self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, conf.master.relay_poll_seconds)

    def _sleep_listening(self, using: str) -> bool:
        """False when a writer is at work just now."""
        connection = connections[using]
        if not wakeup.fall_asleep(connection):
            return False
        try:
            if not claim.has_due(using, self._queues):
                wakeup.wait([self._stopped, connection], conf.master.sweep_seconds)
        finally:
            wakeup.get_up(connection)
        return True
