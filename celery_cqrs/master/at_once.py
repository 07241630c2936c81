"""PostgreSQL: claims in one statement each, since a single change costs as many round trips as a thousand.

What they take is what ``claim.py`` takes step by step elsewhere. A stamp is read once, while its statement runs: all
rows that it sees were captured before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connections

from celery_cqrs.database import clock
from celery_cqrs.database.arrays import array_of_texts
from celery_cqrs.database.locks import ensure_autocommit
from celery_cqrs.master.claimed import Claimed
from celery_cqrs.models import LAST_YEAR

DUE = """
    kind = '{kind}' AND sent_at IS NULL
    AND available_at <= statement_timestamp() - make_interval(secs => %(older_than_seconds)s)
    AND queue NOT IN (SELECT queue FROM celery_cqrs_destination WHERE rests_until > statement_timestamp())
    AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
    AND signal_type {signal_type}
"""
ORDER = "ORDER BY sent_at, available_at, id"
PICK = f"SELECT id FROM celery_cqrs_outbox WHERE {DUE} {{bound}} {ORDER} LIMIT {{limit}} FOR UPDATE SKIP LOCKED"
TOLD = f"""
    o.id, o.queue, o.cqrs_id, o.pk, o.signal_type, o.revision, o.previous_data, o.custom, o.meta, o.correlation_id,
    o.direct, o.error, o.kind, o.keys, to_json(o.captured_at)::text,
    o.error <> '' AND o.available_at >= make_timestamptz({LAST_YEAR + 1}, 1, 1, 0, 0, 0), o.attempts,
    to_json(o.sent_at)::text
"""
MARK = f"""
    UPDATE celery_cqrs_outbox o SET sent_at = {{stamp}}, attempts = attempts + 1
    FROM ({{chosen}}) chosen WHERE o.id = chosen.id RETURNING {TOLD}
"""
NOW = "(SELECT clock_timestamp() FROM set_config('synchronous_commit', 'off', true))"
"""A claim need not wait for the disk: one that a crash of the database takes back is sent twice, and applied once."""

BUNDLED = DUE.format(kind="bundle", signal_type="<> 'SYNC'")
LEFT_OUT = f"SELECT queue, available_at FROM celery_cqrs_outbox WHERE {BUNDLED} {ORDER} OFFSET %(most)s"
BARRIERS = (
    f"WITH barriers AS MATERIALIZED (SELECT queue, min(available_at) AS moment FROM ({LEFT_OUT}) b GROUP BY queue)"
)
"""Of each queue the first bundle that there is no room for: what was captured later is not sent before it."""
BEFORE = "(SELECT moment FROM barriers WHERE barriers.queue = celery_cqrs_outbox.queue)"
SOME_WAIT = "EXISTS (SELECT FROM celery_cqrs_outbox WHERE sent_at IS NULL AND available_at > statement_timestamp())"
CHANGES, CHANGES_BEFORE = (
    MARK.format(stamp=NOW, chosen=PICK.format(kind="sync", signal_type="<> 'SYNC'", bound=bound, limit="%(limit)s"))
    + f", to_json(o.available_at)::text, {SOME_WAIT}"
    for bound in ("", f"AND available_at < coalesce({BEFORE}, 'infinity')")
)
CHANGES_BEFORE = f"{BARRIERS} {CHANGES_BEFORE}"
BUNDLES = MARK.format(
    stamp=NOW,
    chosen=PICK.format(
        kind="bundle",
        signal_type="<> 'SYNC'",
        bound="AND available_at <= %(until)s::timestamptz",
        limit="%(most)s",
    ),
)
SIBLINGS = MARK.format(
    stamp=NOW,
    chosen="""
        SELECT w.id FROM celery_cqrs_outbox w
        JOIN unnest(%(of_queues)s::text[], %(ids)s::text[], %(pks)s::text[]) AS k(queue, cqrs_id, pk)
        ON w.queue = k.queue AND w.cqrs_id = k.cqrs_id AND w.pk = k.pk
        WHERE w.kind = 'sync' AND w.sent_at IS NULL AND w.pk = ANY (%(pks)s::text[])
        ORDER BY w.id LIMIT %(most)s FOR UPDATE OF w SKIP LOCKED
    """,
)
ROOM = "greatest(0, least(%(most)s, %(limit)s - (SELECT count(*) FROM singles)))"
SYNCS = f"""
    WITH singles AS MATERIALIZED ({PICK.format(kind="sync", signal_type="= 'SYNC'", bound="", limit="%(limit)s")}),
    bundles AS MATERIALIZED ({PICK.format(kind="bundle", signal_type="= 'SYNC'", bound="", limit=ROOM)})
    {MARK.format(stamp=NOW, chosen="TABLE singles UNION ALL TABLE bundles")}
"""
LOOK = f"(SELECT 1 FROM celery_cqrs_outbox WHERE {DUE} {ORDER} LIMIT 1)"
LOOK_FOR_BUNDLES = "SELECT FROM celery_cqrs_outbox WHERE kind = 'bundle' AND sent_at IS NULL AND signal_type <> 'SYNC'"
LOOK_FOR_BUNDLES += " LIMIT 1"
LOOK_FOR_SYNCS, LOOK_FOR_ANY = (
    " UNION ALL ".join(LOOK.format(kind=kind, signal_type=signal_type) for kind in ("sync", "bundle"))
    for signal_type in ("= 'SYNC'", "<> ''")
)
NO_DOCUMENTS = (None,) * 4


def claim_changes(
    using: str, limit: int, most: int, older_than_seconds: float, queues: Collection[str] | None, siblings: int
) -> list[Claimed]:
    """As ``claim.claim_changes``; its at most so many ``siblings`` are only looked for where some may be left."""
    parameters = {**_parameters(older_than_seconds, queues), "limit": limit, "most": most}
    has_bundles = _has_any(using, LOOK_FOR_BUNDLES, parameters)
    found = _claim(using, CHANGES_BEFORE if has_bundles else CHANGES, parameters)
    claimed, is_full = _read(found), len(found) >= limit
    if found and (has_bundles or is_full or older_than_seconds or found[0][-1]):
        claimed += _claim_siblings(using, claimed, siblings)
    if has_bundles:
        until = max(datetime.fromisoformat(json.loads(row[-2])) for row in found).isoformat() if is_full else "infinity"
        claimed += _read(_claim(using, BUNDLES, {**parameters, "until": until}))
    return sorted(claimed)


def claim_syncs(
    using: str, limit: int, most: int, older_than_seconds: float, queues: Collection[str] | None
) -> list[Claimed]:
    """As ``claim.claim_syncs``. Whether there is anything is found out in a third of the time."""
    parameters = {**_parameters(older_than_seconds, queues), "limit": limit, "most": most}
    if not _has_any(using, LOOK_FOR_SYNCS, parameters):
        return []
    return sorted(_read(_claim(using, SYNCS, parameters)))


def has_due(using: str, queues: Collection[str] | None) -> bool:
    """As ``claim.has_due``."""
    return _has_any(using, LOOK_FOR_ANY, _parameters(0, queues))


def _claim_siblings(using: str, claimed: Sequence[Claimed], most: int) -> list[Claimed]:
    """The other pending rows of the keys of ``claimed``."""
    keys = sorted({(row.queue, row.cqrs_id, row.pk_text) for row in claimed})
    queues, ids, pks = (array_of_texts(texts) for texts in zip(*keys, strict=True))
    parameters = {"of_queues": queues, "ids": ids, "pks": pks, "most": most}
    return _read(_claim(using, SIBLINGS, parameters))


def _claim(using: str, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    ensure_autocommit(connections[using])
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _has_any(using: str, sql: str, parameters: dict[str, Any]) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone() is not None


def _parameters(older_than_seconds: float, queues: Collection[str] | None) -> dict[str, Any]:
    chosen = None if queues is None else array_of_texts(list(queues))
    return {"older_than_seconds": older_than_seconds, "queues": chosen}


def _read(rows: Sequence[tuple[Any, ...]]) -> list[Claimed]:
    stamp = clock.for_field(datetime.fromisoformat(json.loads(rows[0][17]))) if rows else clock.EPOCH
    return [_claimed(row, stamp) for row in rows]


def _claimed(row: tuple[Any, ...], stamp: datetime) -> Claimed:
    documents, keys = row[6:10], row[13]
    if documents != NO_DOCUMENTS:
        documents = tuple(None if text is None else json.loads(text) for text in documents)
    held = None if keys is None else json.loads(keys)
    return Claimed._make((*row[:6], *documents, *row[10:13], held, *row[14:17], stamp))
