"""Letters that wait for another row: released when it is applied, found, or waited for long enough.

A released letter is due like any retry, and spends no attempt by having waited. Nothing is lost between two workers:
who applies a parent looks for letters after its commit, who writes a letter looks for the parent after its own; at
least one of them sees the other. Beat looks too, for a worker may die in between, and rows may come in other ways.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from celery_cqrs import conf, signals
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Outcome, Parent, Reason, Skipped
from celery_cqrs.replica.parents import KEYS_AT_ONCE, offered_by, place_of, present, referred_fields

LETTERS_AT_ONCE = 5_000
PARENTS_AT_ONCE = 10_000
BEGINNING = Parent("", "")

_looked_at: dict[str, Parent] = {}
"""Database → the parent behind which this process will go on looking; of a flood each sweep sees a part."""


def release_children(model: Any, using: str, endings: Sequence[tuple[Message, Outcome]]) -> int:
    """Make those due that waited for what ``endings`` say is here now; returns how many. Asks nothing about models
    that no foreign key refers to.
    """
    places = [place_of(field) for field in referred_fields(model)]
    if not places or not waiting_letters(using).filter(parent__in=places).exists():
        return 0
    return _release(using, offered_by(model, [message for message, outcome in endings if _is_here(message, outcome)]))


def release_found(using: str, parents: Collection[Parent]) -> int:
    """Make those due whose parent, one of ``parents``, is in its table by now; returns how many."""
    found = present(using, parents) if parents else set()
    return _release(using, found) if found else 0


def release_expired(using: str, now: datetime) -> int:
    """Make those due whose time is over: they are tried for the last time. Returns how many."""
    ids = list(waiting_letters(using).filter(not_before__lte=now).values_list("id", flat=True)[:LETTERS_AT_ONCE])
    return _announced(using, waiting_letters(using).filter(id__in=ids)) if ids else 0


def next_parents(using: str, limit: int = PARENTS_AT_ONCE) -> list[Parent]:
    """Up to ``limit`` parents that are waited for: the next ones, since those of the last call had their turn."""
    last = _looked_at.get(using, BEGINNING)
    behind = Q(parent=last.place, parent_key__gt=last.key) | Q(parent__gt=last.place)
    rows = (
        waiting_letters(using)
        .filter(behind)
        .order_by("parent", "parent_key")
        .values_list("parent", "parent_key")
        .distinct()
    )
    parents = [Parent(place, key) for place, key in rows[:limit]]
    _looked_at[using] = parents[-1] if len(parents) == limit else BEGINNING
    return parents


def _is_here(message: Message, outcome: Outcome) -> bool:
    """Whether the row of ``message`` stands now; a duplicate may come from a worker that died before it released."""
    if message.signal_type is SignalType.DELETE:
        return False
    return isinstance(outcome, Applied) or outcome in (Skipped(Reason.DUPLICATE), Skipped(Reason.WRONG_ORDER))


def _release(using: str, parents: Iterable[Parent]) -> int:
    keys: dict[str, list[str]] = defaultdict(list)
    for parent in parents:
        keys[parent.place].append(parent.key)
    return sum(
        _announced(
            using, waiting_letters(using).filter(parent=place, parent_key__in=some[start : start + KEYS_AT_ONCE])
        )
        for place, some in sorted(keys.items())
        for start in range(0, len(some), KEYS_AT_ONCE)
    )


def _announced(using: str, letters: Any) -> int:
    with write_transaction(using):
        count: int = letters.update(state=Letter.RETRYING, not_before=timezone.now())
    if count:
        signals.released.send_robust(Letter, count=count, using=using)
    return count


def waiting_letters(using: str) -> Any:
    """The waiting letters of this service."""
    return Letter.objects.using(using).filter(queue=conf.service.queue, state=Letter.WAITING)
