"""Step 5: one model's messages of a batch, in one transaction under the lock of the model: judged, written, settled.

Each message is written in a savepoint of its own, so that a bad one harms no neighbour; only what says that the
database itself is in trouble ends the whole, and is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, router, transaction

from celery_cqrs import conf, signals
from celery_cqrs.border import result_or_error
from celery_cqrs.database import packets
from celery_cqrs.database.faults import is_timeout
from celery_cqrs.database.locks import applying
from celery_cqrs.exceptions import HookSwallowedError, MappingFailed
from celery_cqrs.message import Message, SignalType
from celery_cqrs.outcome import Applied, Dead, Reason, Settled, Skipped
from celery_cqrs.replica import settle
from celery_cqrs.replica.bulk import Bulk
from celery_cqrs.replica.guard import announce_gap, judge
from celery_cqrs.replica.hold import Held, holding
from celery_cqrs.replica.order import Keyed, ordered_messages
from celery_cqrs.replica.parents import why_orphaned
from celery_cqrs.replica.path import choose
from celery_cqrs.replica.write import call_hooks, key_of, write

MORE_ROUNDS = 5
MOST_TIMEOUTS = 3
TOO_LARGE = "it is larger than a statement may be; raise max_allowed_packet, and sync the row from the master."


@dataclass(frozen=True)
class Failed:
    """A message that could not be written, before it is settled."""

    message: Message
    error: Exception


@dataclass(frozen=True)
class Terms:
    """How messages are taken: those sent before ``since`` are too old; ``fresh`` ones, just received, may have expired
    at ``now``; ``doomed`` ends the rest; ``alone``: each key by itself, since together they took too long.
    """

    now: datetime
    since: datetime
    fresh: bool
    doomed: Dead | None = None
    alone: bool = False


def apply_messages(model: Any, messages: Sequence[Message], terms: Terms) -> list[Settled]:
    """Apply ``messages`` of ``model`` on these ``terms`` and settle each.

    Raises only for infrastructure faults; then nothing has happened and nothing may be confirmed.
    """
    if model.CQRS_NO_DB_OPERATIONS:
        endings = [attempt_hooks(model, message, terms) for message in messages]
        return _in_order(messages, _settled(model, endings, settle.letters_alias(), terms))
    settled = result_or_error(_apply_together, model, messages, terms)
    if isinstance(settled, Exception) and is_timeout(settled):
        settled = result_or_error(_apply_together, model, messages, replace(terms, alone=True))
    return settled if not isinstance(settled, Exception) else _apply_halves(model, messages, terms, settled)


def _apply_together(model: Any, messages: Sequence[Message], terms: Terms) -> list[Settled]:
    using = router.db_for_write(model)
    deletes = any(message.signal_type is SignalType.DELETE for message in messages)
    with applying(using, model.CQRS_ID, exclusive=deletes, limit_ms=conf.replica.CQRS_QUERY_TIMEOUT):
        endings = write_together(model, using, messages, terms)
        return _in_order(messages, _settled(model, endings, using, terms))


def write_together(model: Any, using: str, messages: Sequence[Message], terms: Terms) -> list[Settled | Failed]:
    """Judge and write ``messages`` in the caller's transaction, which holds the lock; failures are not settled yet."""
    keys, unreadable = _keys(model, messages, using)
    ordered = ordered_messages(model, [(key, messages[index]) for index, key in keys.items()])
    settled, left = _in_bulk(model, using, ordered, terms)
    return [*settled, *(_by_instance(model, using, left, terms) if left else []), *unreadable]


def _in_bulk(
    model: Any, using: str, ordered: Sequence[Keyed], terms: Terms
) -> tuple[list[Settled | Failed], list[Keyed]]:
    """What the bulk path could settle, and what is left for the hooks: all of it when the model needs them."""
    kinds = {message.signal_type is SignalType.DELETE for _, message in ordered}
    path = choose(model, using, deletes=True in kinds)
    signals.path_chosen.send_robust(model, cqrs_id=model.CQRS_ID, bulk=path.bulk, reason=path.reason)
    if not path.bulk or len(kinds) > 1 or terms.alone:
        return [], list(ordered)
    refused = {index for index, (_, message) in enumerate(ordered) if why_refused(model, message, terms)}
    bulk = Bulk(model, using)
    bulk.apply([pair for index, pair in enumerate(ordered) if index not in refused])
    ended: list[Settled | Failed] = [*bulk.settled, *(Failed(message, error) for message, error in bulk.orphaned)]
    return ended, [*bulk.left, *(ordered[index] for index in sorted(refused))]


def _by_instance(model: Any, using: str, ordered: Sequence[Keyed], terms: Terms) -> list[Settled | Failed]:
    if terms.alone:
        return _while_hopeful(ordered, partial(_attempt_alone, model, using, terms=terms))
    with holding(model, using, [key for key, _ in ordered]) as held:
        endings = _while_hopeful(ordered, partial(attempt, held, terms=terms))
        return _attempt_again(held, endings, terms)


def _while_hopeful(
    ordered: Sequence[Keyed], work: Callable[[str, Message], Settled | Failed]
) -> list[Settled | Failed]:
    """``work`` off each; once MOST_TIMEOUTS in a row took too long, the rest fails likewise, or it would take hours."""
    endings: list[Settled | Failed] = []
    for key, message in ordered:
        late = [one for one in endings[-MOST_TIMEOUTS:] if isinstance(one, Failed) and is_timeout(one.error)]
        endings.append(Failed(message, late[-1].error) if len(late) == MOST_TIMEOUTS else work(key, message))
    return endings


def _attempt_alone(model: Any, using: str, key: str, message: Message, *, terms: Terms) -> Settled | Failed:
    def work() -> Settled | Failed:
        with transaction.atomic(using=using), holding(model, using, [key]) as held:
            return attempt(held, key, message, terms)

    ending = result_or_error(work)
    return Failed(message, ending) if isinstance(ending, Exception) else ending


def _apply_halves(model: Any, messages: Sequence[Message], terms: Terms, error: Exception) -> list[Settled]:
    """What fails as a whole is halved until the culprit stands alone; SQLite checks foreign keys only at COMMIT.

    What takes too long even with each key by itself is not: every half would take as long again.
    """
    if len(messages) > 1 and not is_timeout(error):
        middle = len(messages) // 2
        first = apply_messages(model, messages[:middle], terms)
        return first + apply_messages(model, messages[middle:], terms)
    using = router.db_for_write(model)
    with transaction.atomic(using=using):
        return _settled(model, [Failed(message, error) for message in messages], using, terms)


def _keys(model: Any, messages: Sequence[Message], using: str) -> tuple[dict[int, str], list[Failed]]:
    """The key of each message by its index, and the messages whose key cannot be read or which are too large."""
    keys, unreadable = {}, []
    for index, message in enumerate(messages):
        try:
            if packets.exceeds(using, message.instance_data.values()):
                raise MappingFailed(cqrs_id=model.CQRS_ID, model=model.__name__, problem=TOO_LARGE)
            keys[index] = key_of(model, message)
        except MappingFailed as error:
            unreadable.append(Failed(message, error))
    return keys, unreadable


def attempt(held: Held, key: str, message: Message, terms: Terms) -> Settled | Failed:
    """Judge, then write in a savepoint. Stale is judged before expired, and both before dead."""
    row_revision = held.revision(key)
    if held.take_race(key):
        signals.race_found.send_robust(Message, message=message)
    refusal = judge(message, row_revision, held.tombstone(key)) or why_refused(held.model, message, terms)
    if refusal:
        return Settled(message, refusal)
    ending = write_row(held, key, message)
    if row_revision is None and _broke_constraint(ending) and held.row(key) is not None:
        signals.race_found.send_robust(Message, message=message)  # with the bulk path, which holds no placeholders
        return attempt(held, key, message, terms)
    if isinstance(ending, Settled):
        announce_gap(message, row_revision)
    return ending


def write_row(held: Held, key: str, message: Message) -> Settled | Failed:
    """Write what the guard has let through, in a savepoint."""
    return _tried(message, partial(_write_in_savepoint, held, key, message))


def attempt_hooks(model: Any, message: Message, terms: Terms) -> Settled | Failed:
    """Give ``message`` to the hooks of a model without database operations."""
    refusal = why_refused(model, message, terms)
    return Settled(message, refusal) if refusal else _tried(message, partial(call_hooks, model, message))


def _tried(message: Message, work: Callable[[], None]) -> Settled | Failed:
    error = result_or_error(work)
    return Failed(message, error) if isinstance(error, Exception) else Settled(message, Applied())


def _write_in_savepoint(held: Held, key: str, message: Message) -> None:
    try:
        with transaction.atomic(using=held.using):
            write(held, key, message)
            if transaction.get_rollback(using=held.using):  # atomic would undo the write without a word
                raise HookSwallowedError(model=held.model.__name__)
    finally:
        held.touch(key)


def _attempt_again(held: Held, endings: list[Settled | Failed], terms: Terms) -> list[Settled | Failed]:
    """What broke a constraint gets a few more rounds while that gets further: its parent may have come later."""
    for _ in range(MORE_ROUNDS):
        broken = [one for one in endings if _broke_constraint(one)]
        if not broken or len(broken) == len(endings):
            break
        again = [attempt(held, key_of(held.model, one.message), one.message, terms) for one in reversed(broken)]
        endings = [one for one in endings if not _broke_constraint(one)] + again
    return endings


def _broke_constraint(one: Settled | Failed) -> bool:
    return isinstance(one, Failed) and isinstance(one.error, IntegrityError)


def why_refused(model: Any, message: Message, terms: Terms) -> Skipped | Dead | None:
    """Why ``message`` is not for ``model``, whatever its revision; None when it is."""
    is_sync = message.signal_type is SignalType.SYNC
    if is_sync and model.CQRS_ONLY_DIRECT_SYNCS and message.queue != conf.service.queue:
        return Skipped(Reason.INDIRECT_SYNC)
    if message.sent_at is not None and message.sent_at < terms.since:
        return Skipped(Reason.TOO_OLD)
    if terms.fresh and message.is_expired(terms.now):
        return Skipped(Reason.EXPIRED)
    return terms.doomed


def _in_order(messages: Sequence[Message], settled: Sequence[Settled]) -> list[Settled]:
    """As the messages came, whichever way each of them took."""
    if all(one.message is message for one, message in zip(settled, messages, strict=False)):
        return list(settled)
    place = {id(message): index for index, message in enumerate(messages)}
    return sorted(settled, key=lambda one: place[id(one.message)])


def _settled(model: Any, endings: Sequence[Settled | Failed], using: str, terms: Terms) -> list[Settled]:
    """Failures become Retry, Waiting or Dead; the rows of all endings are written in the open transaction."""
    failed = [one for one in endings if isinstance(one, Failed)]
    missing = why_orphaned(model, using, [(one.message, one.error) for one in failed])
    settled = [one for one in endings if isinstance(one, Settled)]
    for message, error in ((one.message, one.error) for one in failed):
        settled.append(Settled(message, settle.failure(model, message, error, missing.get(id(message)), terms.now)))
    settle.write_rows(using, [(one.message, one.outcome) for one in settled])
    return settled
