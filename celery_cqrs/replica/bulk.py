"""The bulk path of step 5: all messages of a model at once, judged by the same guard, written in a few statements.

What fails together is halved; what fails alone is left for the hooks, which know best what is wrong with it. So a bad
row costs its neighbours nothing, and both paths end alike. A flood of rows whose parents are not here is found by one
look for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from django.db import transaction

from celery_cqrs import tombstones
from celery_cqrs.border import result_or_error
from celery_cqrs.database.constraints import breaks_foreign_key
from celery_cqrs.database.faults import is_timeout
from celery_cqrs.database.keys import among
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Tombstone
from celery_cqrs.outcome import Applied, Settled
from celery_cqrs.replica.guard import announce_gap, judge
from celery_cqrs.replica.order import Keyed
from celery_cqrs.replica.parents import find_orphans
from celery_cqrs.replica.upsert import upsert
from celery_cqrs.serialize import key_text, key_value

MOST_CULPRITS = 16
"""So many bad messages of a batch are looked for; where there are more, all that is left takes the other path."""

Write = Callable[[Sequence[Keyed]], None]
Sift = Callable[[Sequence[Keyed], Exception], Sequence[Keyed]]


class Bulk:
    """One model's messages of a batch, within the transaction that holds the model's lock.

    ``settled`` are those that ended, ``orphaned`` those that miss a parent, with the error that said so, and ``left``
    those that the hooks are to take.
    """

    def __init__(self, model: Any, using: str) -> None:
        self.model = model
        self.using = using
        self.settled: list[Settled] = []
        self.orphaned: list[tuple[Message, Exception]] = []
        self.left: list[Keyed] = []
        self._messages: list[Message] = []

    def apply(self, keyed: Sequence[Keyed]) -> None:
        """Judge and write ``keyed``, which are all deletions or all saves."""
        self._messages = [message for _, message in keyed]
        for part in _rounds(keyed):
            if part[0][1].signal_type is SignalType.DELETE:
                self._delete(part)
            else:
                self._save(part)

    def _save(self, part: Sequence[Keyed]) -> None:
        keys = [key for key, _ in part]
        revisions = self._revisions(keys)
        graves = tombstones.find(self.using, Tombstone.REPLICA, self.model.CQRS_ID, keys)
        wanted = self._judged(part, revisions, graves)
        sync = part[0][1].signal_type is SignalType.SYNC
        for key, message in self._written(wanted, partial(self._upsert, sync=sync)):
            announce_gap(message, revisions.get(key))

    def _delete(self, part: Sequence[Keyed]) -> None:
        keys = [key for key, _ in part]
        revisions = self._revisions(keys, lock=True)
        graves = tombstones.find(self.using, Tombstone.REPLICA, self.model.CQRS_ID, keys)
        wanted = self._judged(part, revisions, graves)
        done = self._written(wanted, self._erase)
        buried = {key: max(message.revision, graves.get(key, message.revision)) for key, message in done}
        if buried:
            tombstones.remember(self.using, Tombstone.REPLICA, self.model.CQRS_ID, buried)

    def _judged(self, part: Iterable[Keyed], revisions: dict[str, int], graves: dict[str, int]) -> list[Keyed]:
        wanted = []
        for key, message in part:
            refusal = judge(message, revisions.get(key), graves.get(key))
            if refusal is None:
                wanted.append((key, message))
            else:
                self.settled.append(Settled(message, refusal))
        return wanted

    def _written(self, wanted: Sequence[Keyed], write: Write) -> Sequence[Keyed]:
        """Write ``wanted`` and note what came of it; returns what was written."""
        written, culprits = _halved(wanted, partial(self._in_savepoint, write), self._with_parents)
        applied = Applied()
        self.settled += [Settled(message, applied) for _, message in written]
        self.left += culprits
        return written

    def _with_parents(self, wanted: Sequence[Keyed], error: Exception) -> Sequence[Keyed]:
        """``wanted`` without the orphans, if ``error`` says that there are some."""
        if not breaks_foreign_key(error):
            return wanted
        orphans = {id(message) for message in find_orphans(self.model, self.using, self._messages)}
        self.orphaned += [(message, error) for _, message in wanted if id(message) in orphans]
        return [pair for pair in wanted if id(pair[1]) not in orphans]

    def _in_savepoint(self, write: Write, part: Sequence[Keyed]) -> None:
        with transaction.atomic(using=self.using):
            write(part)

    def _upsert(self, part: Sequence[Keyed], sync: bool) -> None:
        upsert(self.model, self.using, [message for _, message in part], sync=sync)

    def _erase(self, part: Sequence[Keyed]) -> None:
        self._rows(key for key, _ in part)._raw_delete(self.using)

    def _revisions(self, keys: Iterable[str], lock: bool = False) -> dict[str, int]:
        rows = self._rows(keys)
        if lock:
            rows = rows.select_for_update()
        return {key_text(self.model, pk): revision for pk, revision in rows.values_list("pk", "cqrs_revision")}

    def _rows(self, keys: Iterable[str]) -> Any:
        rows = self.model._base_manager.using(self.using)
        return among(rows, "pk", [key_value(self.model, key) for key in keys])


def _rounds(keyed: Iterable[Keyed]) -> Iterator[list[Keyed]]:
    """Parts with one message of each key and of one signal type; those of one key keep their order."""
    waiting = list(keyed)
    while waiting:
        chosen: list[Keyed] = []
        later: list[Keyed] = []
        seen: set[str] = set()
        for key, message in waiting:
            fits = key not in seen and message.signal_type is waiting[0][1].signal_type
            (chosen if fits else later).append((key, message))
            seen.add(key)
        yield chosen
        waiting = later


def _halved(
    part: Sequence[Keyed], write: Write, sift: Sift, most: int = MOST_CULPRITS
) -> tuple[Sequence[Keyed], Sequence[Keyed]]:
    """What could be written and what could not, found by halving; no more than about ``most`` are looked for.

    ``sift`` takes out of the whole what need not be looked for.
    """
    error = result_or_error(write, part) if part else None
    if not isinstance(error, Exception):
        return part, []
    fewer = sift(part, error)
    if len(fewer) < len(part):
        return _halved(fewer, write, _keep_all, most)
    if len(part) == 1 or most <= 0 or is_timeout(error):  # each half would take as long again
        return [], part
    middle = len(part) // 2
    first, bad = _halved(part[:middle], write, _keep_all, most - 1)
    second, worse = _halved(part[middle:], write, _keep_all, most - 1 - len(bad))
    return [*first, *second], [*bad, *worse]


def _keep_all(part: Sequence[Keyed], error: Exception) -> Sequence[Keyed]:
    return part
