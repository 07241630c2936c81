"""Step 1: an ORM change becomes outbox rows, one per replica queue, inside the caller's transaction.

One ``INSERT … SELECT`` writes the rows of a change for all queues. It joins the model row, so that what another
transaction has deleted is not captured, and the tombstone of the key, so that a re-created row continues above it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from django.db import connections, router, transaction

from celery_cqrs import signals, tombstones
from celery_cqrs.columns import ERROR_LENGTH, clean_key
from celery_cqrs.database import clock
from celery_cqrs.exceptions import SerializationFailed
from celery_cqrs.master import additions, bundles, insert, publisher, tracking
from celery_cqrs.master.concerned import pk_of, queues_of, registered_for_delete, registered_for_save
from celery_cqrs.master.revision import home_of
from celery_cqrs.message import SignalType
from celery_cqrs.models import Outbox, Tombstone
from celery_cqrs.serialize import key_text

ROWS_PER_STATEMENT = 500


@dataclass(frozen=True)
class Change:
    """One captured change of one instance, before it is cut into rows for queues."""

    instance: Any
    created: bool = False
    previous_data: tracking.Previous = None
    custom: additions.Added = additions.NOTHING


def capture_saves(changes: Sequence[Change], using: str, *, together: bool = False) -> None:
    """Capture instances that were just inserted or updated, all of one class, and bring their revisions up to date.

    ``together``: many of them may share a row of the outbox, for they hold the revisions that are stored. The caller
    has an ``on_commit`` with ``publisher.after_commit`` for what was captured to be published.
    """
    if not changes:
        return
    model = type(changes[0].instance)
    for registered in registered_for_save(model):
        if together and _may_share(registered, changes):
            _capture_together(registered, changes, using)
        else:
            _capture(registered, SignalType.SAVE, changes, using)
    publisher.mark_captured(using)


def capture_delete(instance: Any, using: str) -> None:
    """Capture that ``instance`` is about to be deleted, at the database's revision + 1, and leave a tombstone."""
    change = Change(instance, custom=additions.custom_data(instance))
    for registered in registered_for_delete(type(instance)):
        revisions = _capture(registered, SignalType.DELETE, [change], using)
        if revisions:
            tombstones.remember(using, Tombstone.MASTER, registered.CQRS_ID, revisions)
    publisher.mark_captured(using)
    publish_after_commit(using)


def capture_syncs(instances: Sequence[Any], using: str, queue: str | None = None) -> int:
    """Capture the wish to send the present state of ``instances`` again, to ``queue`` alone or to all.

    Returns how many are captured; others are gone, or filtered out.
    """
    if not instances:
        return 0
    known = registered_for_delete(type(instances[0]))
    return max((capture_syncs_of(one, instances, using, queue) for one in known), default=0)


def capture_syncs_of(registered: Any, instances: Sequence[Any], using: str, queue: str | None = None) -> int:
    """As ``capture_syncs``, under the CQRS_ID of ``registered`` alone."""
    captured = _capture(registered, SignalType.SYNC, [Change(instance) for instance in instances], using, queue)
    publisher.mark_captured(using)
    publish_after_commit(using)
    return len(captured)


def capture_sync_keys(registered: Any, pks: Sequence[Any], using: str, queue: str | None = None) -> None:
    """As ``capture_syncs_of`` for rows of which nothing but the key is known, or is asked of the project."""
    queues = queues_of(registered, queue)
    if not pks:
        return
    keys = [key_text(registered, pk) for pk in pks]
    bundles.write(using, registered, SignalType.SYNC, keys, queues, direct=queue is not None)
    publisher.mark_captured(using)
    publish_after_commit(using)
    _announce(registered, SignalType.SYNC, pks, queues, using)


def capture_absence(registered: Any, revisions: Mapping[str, int], using: str, queue: str) -> None:
    """Capture for ``queue`` that the keys (texts) are not there, each as a DELETE at its revision."""
    moment = clock.for_field(clock.now(using))
    facts: dict[str, Any] = {"queue": queue, "cqrs_id": registered.CQRS_ID, "signal_type": SignalType.DELETE.value}
    Outbox.objects.using(using).bulk_create(
        Outbox(**facts, pk_text=key, revision=revision, captured_at=moment, available_at=moment)
        for key, revision in revisions.items()
    )
    publisher.mark_captured(using)
    publish_after_commit(using)


def announce_bulk_create(model: Any, instances: Sequence[Any], using: str | None) -> None:
    """Send ``post_bulk_create`` and capture ``instances`` as created."""
    signals.post_bulk_create.send(model, instances=instances, using=using)
    capture_bulk(model, instances, using, created=True)


def announce_update(model: Any, instances: Sequence[Any], using: str | None) -> None:
    """Send ``post_update`` and capture ``instances`` as updated."""
    signals.post_update.send(model, instances=instances, using=using)
    capture_bulk(model, instances, using, created=False)


def capture_bulk(model: Any, instances: Sequence[Any], using: str | None, *, created: bool) -> None:
    """Capture ``instances`` that are in the database already, in a transaction that publishes them."""
    alias = using or router.db_for_write(model)
    with transaction.atomic(using=alias, savepoint=False):
        capture_saves([Change(one, created, one.get_tracked_fields_data()) for one in instances], alias)
        publish_after_commit(alias)


def _capture(
    model: Any, signal_type: SignalType, changes: Sequence[Change], using: str, queue: str | None = None
) -> dict[str, int]:
    """Write the rows of ``changes`` for ``model``; returns the revision of each key that was found.

    A SYNC that is held counts as none.
    """
    sent: list[Change] = []
    silent: list[Change] = []
    revisions: dict[str, int] = {}
    queues = queues_of(model, queue)
    for change in changes:
        wanted = bool(queues) and additions.is_wanted(model, change.instance)
        (sent if wanted else silent).append(change)
    for chunk in _chunks(sent, max(1, ROWS_PER_STATEMENT // max(1, len(queues)))):
        rows = [row for change in chunk for row in _rows(model, signal_type, change, queues, queue is not None)]
        written = insert.write_rows(connections[using], model, signal_type, rows)
        held = _announce_held(model, rows, written, using)
        uncounted = held if signal_type is SignalType.SYNC else set()
        revisions |= {key: revision for key, revision in written.items() if key not in uncounted}
    for chunk in _chunks(silent if signal_type is not SignalType.SYNC else [], ROWS_PER_STATEMENT):
        keys = {key_text(model, pk_of(model, change.instance)): pk_of(model, change.instance) for change in chunk}
        revisions |= insert.read_revisions(using, model, signal_type, keys)
    if signal_type is SignalType.SAVE:
        created = [key_text(model, pk_of(model, change.instance)) for change in changes if change.created]
        revisions = insert.above_hidden_graves(connections[using], model, created, revisions)
        _continue_revisions(model, changes, revisions, using)
    if sent:
        _announce(model, signal_type, [pk_of(model, change.instance) for change in sent], queues, using)
    return revisions


def _may_share(model: Any, changes: Sequence[Change]) -> bool:
    if not isinstance(changes[0].instance, model) or not bundles.may_bundle(model):
        return False
    return bundles.are_enough([key_text(model, pk_of(model, change.instance)) for change in changes])


def _capture_together(model: Any, changes: Sequence[Change], using: str) -> None:
    """As ``_capture`` of SAVEs that carry nothing but their keys."""
    pks = [pk_of(model, change.instance) for change in changes]
    keys = [key_text(model, pk) for pk in pks]
    queues = queues_of(model)
    wanted = [additions.is_wanted(model, change.instance) for change in changes] if queues else [False] * len(keys)
    bundles.write(using, model, SignalType.SAVE, list(compress(keys, wanted)), queues)
    created = [key for key, change in zip(keys, changes, strict=True) if change.created]
    stored = {key: change.instance.cqrs_revision for key, change in zip(keys, changes, strict=True)}
    raised = insert.raised_revisions(connections[using], model, stored, created)
    if raised:
        _continue_revisions(model, changes, raised, using)
    if any(wanted):
        _announce(model, SignalType.SAVE, list(compress(pks, wanted)), queues, using)


def _announce(model: Any, signal_type: SignalType, pks: Sequence[Any], queues: Sequence[str], using: str) -> None:
    facts = {"cqrs_id": model.CQRS_ID, "signal_type": signal_type, "pks": pks, "queues": queues, "using": using}
    signals.captured.send_robust(model, **facts)


def _rows(
    model: Any, signal_type: SignalType, change: Change, queues: Iterable[str], direct: bool
) -> Iterator[insert.Row]:
    pk = pk_of(model, change.instance)
    key = key_text(model, pk)
    previous = additions.previous_data(model, change.previous_data)
    meta = additions.meta(model, signal_type, change.instance, change.previous_data, change.custom)
    for queue in queues:
        correlation_id = additions.correlation_id(signal_type, model.CQRS_ID, pk, queue)
        documents = (previous, change.custom, meta, correlation_id)
        error = _error(model, key, [one.fault for one in documents if one.fault])
        yield insert.Row(queue, pk, key, tuple(one.text for one in documents), direct, error)


def _error(model: Any, key: str, faults: Sequence[str]) -> str:
    if not faults:
        return ""
    problem = f"{'; '.join(faults)}. It cannot be asked again: cqrs_outbox retry sends the change without it."
    return clean_key(SerializationFailed(model=model.__name__, pk=key, problem=problem), ERROR_LENGTH)


def _announce_held(model: Any, rows: Sequence[insert.Row], revisions: Mapping[str, int], using: str) -> set[str]:
    """The keys whose rows were written with an error: they wait for a person, who is to hear of it."""
    held = set()
    for row in rows:
        if row.error and row.pk_text in revisions:
            held.add(row.pk_text)
            facts = {"cqrs_id": model.CQRS_ID, "pk": row.pk_text, "revision": abs(revisions[row.pk_text])}
            signals.set_aside.send_robust(
                Outbox, row_ids=[], correlation_id=None, error=row.error, using=using, **facts
            )
    return held


def _continue_revisions(model: Any, changes: Sequence[Change], revisions: dict[str, int], using: str) -> None:
    """Bring attributes up to date; a negative revision is one that a tombstone asks for: the row is raised to it."""
    for change in changes:
        pk = pk_of(model, change.instance)
        revision = revisions.get(key_text(model, pk))
        if revision is None:
            continue
        if revision < 0:
            rows = home_of(model)._base_manager.using(using).filter(pk=pk)
            rows.update(cqrs_revision=-revision)
        change.instance.cqrs_revision = abs(revision)


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def publish_after_commit(using: str, saved: Any = None) -> None:
    """Registered at every capture, since a hook that is registered only once would go with a rolled-back savepoint.

    With autocommit off Django runs such hooks only when it is switched on again; there the drain does it.
    """
    if connections[using].commit_on_exit:
        transaction.on_commit(publisher.after_commit(using, saved), using=using, robust=True)
