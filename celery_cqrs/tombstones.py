"""Remembered deletions, on both sides: at which revision a key was deleted, kept for ``tombstone_seconds``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone

from celery_cqrs import conf
from celery_cqrs.database.keys import among
from celery_cqrs.models import Tombstone

KEYS_AT_ONCE = 10_000


def remember(using: str, side: str, cqrs_id: str, revisions: Mapping[str, int]) -> None:
    """Write the deletion of each key at its revision, over what was remembered of it. The caller holds the keys."""
    moment = timezone.now()
    graves = [
        Tombstone(side=side, cqrs_id=cqrs_id, pk_text=pk, revision=revision, deleted_at=moment)
        for pk, revision in sorted(revisions.items())
    ]
    has_target = connections[using].features.supports_update_conflicts_with_target
    Tombstone.objects.using(using).bulk_create(
        graves,
        update_conflicts=True,
        update_fields=["revision", "deleted_at"],
        unique_fields=["pk_text", "cqrs_id", "side"] if has_target else None,
    )


def find(using: str, side: str, cqrs_id: str, pks: Iterable[str]) -> dict[str, int]:
    """The remembered revision of each of the keys that has one."""
    rows = among(Tombstone.objects.using(using).filter(side=side, cqrs_id=cqrs_id), "pk_text", pks)
    return dict(rows.values_list("pk_text", "revision"))


def find_many(using: str, side: str, cqrs_id: str, pks: Sequence[str]) -> dict[str, int]:
    """The same of any number of keys."""
    found: dict[str, int] = {}
    size = min(KEYS_AT_ONCE, (connections[using].features.max_query_params or KEYS_AT_ONCE) // 2)
    for start in range(0, len(pks), size):
        found |= find(using, side, cqrs_id, pks[start : start + size])
    return found


def hold(using: str, side: str, cqrs_id: str, pks: Iterable[str]) -> dict[str, int]:
    """Lock the tombstones of ``pks`` until the transaction ends, absent ones by placeholders; returns the revisions.

    A placeholder lets two transactions meet that both want to create the same row; ``release`` takes it away.
    """
    connection = connections[using]
    values = [(side, cqrs_id, pk, Tombstone.PLACEHOLDER, timezone.now()) for pk in sorted(pks)]
    if not values:
        return {}
    with connection.cursor() as cursor:
        return HOLDS[connection.vendor](cursor, connection, values)


def release(using: str, side: str, cqrs_id: str, pks: Iterable[str]) -> None:
    """Take away the placeholders among ``pks``; real tombstones stay."""
    graves = Tombstone.objects.using(using).filter(side=side, cqrs_id=cqrs_id, pk_text__in=list(pks))
    graves.filter(revision=Tombstone.PLACEHOLDER).delete()


def _insert(connection: Any, values: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    rows = ", ".join(["(%s, %s, %s, %s, %s)"] * len(values))
    adapt = connection.ops.adapt_datetimefield_value
    parameters = [item for *key, moment in values for item in (*key, adapt(moment))]
    return f"INSERT INTO celery_cqrs_tombstone (side, cqrs_id, pk, revision, deleted_at) VALUES {rows}", parameters


def _hold_returning(cursor: Any, connection: Any, values: Sequence[Sequence[Any]]) -> dict[str, int]:
    """PostgreSQL, SQLite: lock and look-up in one statement."""
    insert, parameters = _insert(connection, values)
    keep = "ON CONFLICT (pk, cqrs_id, side) DO UPDATE SET revision = celery_cqrs_tombstone.revision"
    cursor.execute(f"{insert} {keep} RETURNING pk, revision", parameters)
    return dict(cursor.fetchall())


def _hold_selecting(cursor: Any, connection: Any, values: Sequence[Sequence[Any]]) -> dict[str, int]:
    """MariaDB, MySQL: the same in two statements."""
    insert, parameters = _insert(connection, values)
    cursor.execute(f"{insert} ON DUPLICATE KEY UPDATE revision = celery_cqrs_tombstone.revision", parameters)
    (side, cqrs_id, *_), keys = values[0], [pk for _, _, pk, _, _ in values]
    marks = ", ".join(["%s"] * len(keys))
    where = f"side = %s AND cqrs_id = %s AND pk IN ({marks}) ORDER BY pk FOR UPDATE"
    cursor.execute(f"SELECT pk, revision FROM celery_cqrs_tombstone WHERE {where}", [side, cqrs_id, *keys])
    return dict(cursor.fetchall())


HOLDS = {"postgresql": _hold_returning, "sqlite": _hold_returning, "mysql": _hold_selecting}


def prune(using: str, limit: int = 1_000) -> int:
    """Forget deletions that are older than ``tombstone_seconds``; returns how many.

    A master remembers twice as long: were it to forget first, a new life of a key would begin below what its replicas
    remember, and they would refuse it.
    """
    return _prune_side(using, Tombstone.REPLICA, 1, limit) + _prune_side(using, Tombstone.MASTER, 2, limit)


def _prune_side(using: str, side: str, times: int, limit: int) -> int:
    oldest = timezone.now() - timedelta(seconds=times * conf.service.tombstone_seconds)
    graves = Tombstone.objects.using(using).filter(side=side, deleted_at__lt=oldest)
    total = 0
    while ids := list(graves.values_list("id", flat=True)[:limit]):
        total += Tombstone.objects.using(using).filter(id__in=ids).delete()[0]
    return total
