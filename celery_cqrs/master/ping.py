"""A round trip to a replica: an empty batch goes out, and its echoed stamp comes back as any confirmation does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from celery_cqrs import conf, transport
from celery_cqrs.batch import Batch
from celery_cqrs.database import clock
from celery_cqrs.exceptions import BrokerUnavailable, TransportError
from celery_cqrs.models import Destination
from celery_cqrs.transport.base import APPLY, Envelope

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Ping:
    """One round trip: ``seconds`` that it took, or None and the ``problem``; neither while it is under way."""

    using: str
    queue: str
    seconds: float | None = None
    problem: str = ""
    stamp: datetime | None = None
    started: float = 0

    @property
    def is_under_way(self) -> bool:
        """Whether an answer may still come."""
        return self.seconds is None and not self.problem


def ping_queues(aliases: Iterable[str], queues: Iterable[str], timeout_seconds: float) -> list[Ping]:
    """Ping every queue for each database, all at the same time; takes ``timeout_seconds``, beside what sending takes.

    The answer comes from a worker of the replica and is taken by a worker of this service: both must run.
    """
    queues = list(queues)
    pings = list(_send_all((using, queue) for using in aliases for queue in queues))
    deadline = time.monotonic() + timeout_seconds
    while any(one.is_under_way for one in pings):
        is_last = time.monotonic() >= deadline
        pings = [_looked_at(one) for one in pings]
        if is_last:
            break
        time.sleep(LOOK_SECONDS)
    late = f"no answer in {timeout_seconds:g} s"
    return [replace(one, problem=late) if one.is_under_way else one for one in pings]


def _send_all(ways: Iterable[tuple[str, str]]) -> Iterator[Ping]:
    """A broker that is away is asked once: it is the same one for every queue."""
    away = ""
    for using, queue in ways:
        ping = Ping(using, queue, problem=away)
        try:
            yield ping if away else _send(ping)
        except TransportError as error:
            away = str(error) if isinstance(error, BrokerUnavailable) else ""
            yield replace(ping, problem=str(error))


def _send(ping: Ping) -> Ping:
    sent = replace(ping, stamp=clock.now(ping.using), started=time.monotonic())
    batch = Batch(conf.service.queue, sent.using, str(sent.stamp and sent.stamp.isoformat()), ())
    transport.current().send(Envelope(APPLY, sent.queue, batch.to_dict(), "ping"))
    return sent


def _looked_at(ping: Ping) -> Ping:
    """A stamp as late as ours that comes back, of our empty batch or of a later one, proves the way there and back."""
    if not ping.is_under_way or ping.stamp is None:
        return ping
    queue = Destination.objects.using(ping.using).filter(queue=ping.queue)
    if queue.filter(confirmed_stamp__gte=clock.for_field(ping.stamp)).exists():
        return replace(ping, seconds=time.monotonic() - ping.started)
    return ping
