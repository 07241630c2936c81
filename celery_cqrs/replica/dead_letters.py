"""What a person does with letters: choose, read, replay, purge. In portions, so that any number of them is fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from celery_cqrs import conf
from celery_cqrs.columns import clean_key
from celery_cqrs.database import tables
from celery_cqrs.exceptions import MessageRefused, UnknownCqrsId
from celery_cqrs.models import Letter
from celery_cqrs.registry import NAME_LENGTH, ReplicaRegistry
from celery_cqrs.replica import letters, retry
from celery_cqrs.replica.receive import apply_to_model

PORTION = 500
NO_MESSAGE = "Mend what sent it, have the row sent again from the master (instance.cqrs_sync()), and purge this letter."


@dataclass(frozen=True)
class Choice:
    """Which letters of this service a person means; None leaves a criterion out, and so does an empty ``ids``.

    ``reason`` is a part of the text, in any case; ``older_than_seconds`` counts from the last failure.
    """

    state: str | None = Letter.DEAD
    cqrs_id: str | None = None
    pk: str | None = None
    reason: str | None = None
    older_than_seconds: float | None = None
    ids: tuple[int, ...] = ()

    def on(self, using: str) -> QuerySet[Letter]:
        """The chosen letters of one database."""
        given: dict[str, Any] = {
            "state": self.state,
            "cqrs_id": None if self.cqrs_id is None else clean_key(self.cqrs_id, NAME_LENGTH),
            "pk_text": None if self.pk is None else clean_key(self.pk),
            "reason__icontains": self.reason,
            "updated_at__lt": self._latest(),
            "id__in": self.ids or None,
        }
        criteria = {name: value for name, value in given.items() if value is not None}
        return Letter.objects.using(using).filter(queue=conf.service.queue, **criteria)

    def _latest(self) -> Any:
        age_seconds = self.older_than_seconds
        return None if age_seconds is None else timezone.now() - timedelta(seconds=age_seconds)


def is_known(cqrs_id: str) -> bool:
    """Whether there is a replica model of this id, or a letter that waits for one."""
    chosen = Choice(state=None, cqrs_id=cqrs_id)
    return cqrs_id in ReplicaRegistry.models or any(chosen.on(using).exists() for using in tables.aliases(Letter))


def count_letters(chosen: Choice) -> int:
    """How many letters are chosen."""
    return sum(chosen.on(using).count() for using in tables.aliases(Letter))


def stream_letters(chosen: Choice) -> Iterator[Letter]:
    """The chosen letters, oldest first, read PORTION at a time."""
    for using in tables.aliases(Letter):
        for portion in _portions(chosen.on(using)):
            yield from portion


def replay_letters(chosen: Choice) -> Iterator[tuple[Letter, str]]:
    """Replay the chosen letters as ``replay_rows`` does, and wake who tries them."""
    count = 0
    for using in tables.aliases(Letter):
        for pair in replay_rows(chosen.on(using)):
            count += not pair[1]
            yield pair
    retry.wake_now(apply_to_model, count)


def replay_rows(rows: QuerySet[Letter]) -> Iterator[tuple[Letter, str]]:
    """Make ``rows`` due now, with a budget of retries of their own.

    Yields each letter with an empty text, or with the sentence that says why it cannot be retried; it stays as it was.
    """
    for portion in _portions(rows):
        refusals = {letter.id: _refusal(letter) for letter in portion}
        ready = Letter.objects.using(rows.db).filter(id__in=[one for one, refusal in refusals.items() if not refusal])
        ready.update(state=Letter.RETRYING, attempts=0, not_before=timezone.now(), **letters.NOT_WAITING)
        yield from ((letter, refusals[letter.id]) for letter in portion)


def purge_letters(chosen: Choice) -> int:
    """Delete the chosen letters; what they carry is never applied. Returns how many."""
    return sum(purge_rows(chosen.on(using)) for using in tables.aliases(Letter))


def purge_rows(rows: QuerySet[Letter]) -> int:
    """Delete ``rows``, PORTION in a transaction; returns how many."""
    total = 0
    while ids := list(rows.order_by("id").values_list("id", flat=True)[:PORTION]):
        total += Letter.objects.using(rows.db).filter(id__in=ids).delete()[0]
    return total


def _portions(rows: QuerySet[Letter]) -> Iterator[list[Letter]]:
    """By id and not by a cursor: MariaDB's driver would fetch all, and what is replayed may come back meanwhile."""
    last = 0
    while portion := list(rows.filter(id__gt=last).order_by("id")[:PORTION]):
        yield portion
        last = portion[-1].id


def _refusal(letter: Letter) -> str:
    try:
        message = letters.to_message(letter)
    except MessageRefused as error:
        return f"{error} {NO_MESSAGE}"
    if message.cqrs_id not in ReplicaRegistry.models:
        return str(UnknownCqrsId(cqrs_id=message.cqrs_id))
    return ""
