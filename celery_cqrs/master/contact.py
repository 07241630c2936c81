"""When each replica queue was last heard of, and whether publishing to it fails: what one process can tell another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery_cqrs import conf
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock
from celery_cqrs.models import Destination, Outbox


@dataclass(frozen=True)
class Contact:
    """One queue: when it last confirmed, was last probed, and failed to be published to; None for never.

    ``failed_at`` and ``failure`` are of the last failure that any process of this service met, unless something has
    been published since. ``rests_until`` is when a queue that takes nothing is tried again.
    """

    using: str
    queue: str
    confirmed_at: datetime | None
    probed_at: datetime | None
    rests_until: datetime | None
    failed_at: datetime | None
    failure: str


def read_contacts(using: str) -> list[Contact]:
    """The replica queues that were ever sent to, or heard of, on one database."""
    now = clock.now(using)
    return [_contact(using, now, one) for one in Destination.objects.using(using).order_by("queue")]


def note_failure(using: str, queues: Iterable[str], error: Exception) -> None:
    """Keep for other processes to see that publishing to ``queues`` has just failed; one statement or two a queue."""
    failure = {"failed_at": clock.for_field(clock.now(using)), "failure": clean_key(error, ERROR_LENGTH)}
    for queue in sorted(set(queues)):
        Destination.objects.using(using).update_or_create(queue=queue, defaults=failure)


def _contact(using: str, now: datetime, one: Destination) -> Contact:
    failed_at = clock.from_field(one.failed_at)
    is_over = failed_at is None or _has_published_since(using, now, one, failed_at)
    return Contact(
        using,
        one.queue,
        clock.from_field(one.confirmed_at),
        clock.from_field(one.probed_at),
        clock.from_field(one.rests_until),
        None if is_over else failed_at,
        "" if is_over else one.failure or "",
    )


def _has_published_since(using: str, now: datetime, one: Destination, failed_at: datetime) -> bool:
    """A later batch was confirmed, or has been with the broker for so long that it was not given back."""
    confirmed = clock.from_field(one.confirmed_stamp)
    if confirmed is not None and confirmed > failed_at:
        return True
    kept_since = now - timedelta(seconds=conf.master.breaker_seconds)
    sent = Outbox.objects.using(using).filter(queue=one.queue, sent_at__gt=clock.for_field(failed_at))
    return sent.filter(sent_at__lt=clock.for_field(kept_since)).exists()
