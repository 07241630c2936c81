"""PostgreSQL: a claim in one statement, since a single change costs as many round trips as a thousand.

What it takes is what ``outbox.py`` takes step by step elsewhere. Its stamp is read once, while the statement runs: all
rows that it sees were captured before.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connections

from celery_cqrs.database import clock
from celery_cqrs.database.arrays import array_of_texts
from celery_cqrs.database.locks import ensure_autocommit
from celery_cqrs.master.claimed import Claimed
from celery_cqrs.models import LAST_YEAR

DUE = """
    kind = 'sync' AND sent_at IS NULL
    AND available_at <= statement_timestamp() - make_interval(secs => %(older_than_seconds)s)
    AND queue NOT IN (SELECT queue FROM celery_cqrs_destination WHERE rests_until > statement_timestamp())
    AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
"""
LOOK = f"SELECT 1 FROM celery_cqrs_outbox WHERE {DUE} ORDER BY sent_at, available_at, id LIMIT 1"
PICK = f"""
    SELECT id, queue, cqrs_id, pk FROM celery_cqrs_outbox WHERE {DUE} AND signal_type {{kind}} 'SYNC'
    ORDER BY sent_at, available_at, id LIMIT {{limit}} FOR UPDATE SKIP LOCKED
"""
CLAIM = f"""
    WITH changes AS MATERIALIZED ({PICK.format(kind="<>", limit="%(limit)s")}),
    syncs AS MATERIALIZED ({PICK.format(kind="=", limit="%(limit)s - (SELECT count(*) FROM changes)")}),
    picked AS MATERIALIZED (TABLE changes UNION ALL TABLE syncs),
    siblings AS MATERIALIZED (
        SELECT o.id FROM celery_cqrs_outbox o
        WHERE o.kind = 'sync' AND o.sent_at IS NULL AND o.pk = ANY (ARRAY (SELECT pk FROM picked))
        AND (o.queue, o.cqrs_id, o.pk) IN (SELECT queue, cqrs_id, pk FROM picked)
        AND o.id NOT IN (SELECT id FROM picked)
        ORDER BY o.id LIMIT %(siblings)s FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE celery_cqrs_outbox o SET sent_at = (SELECT clock_timestamp()), attempts = attempts + 1
    FROM (SELECT id FROM picked UNION ALL SELECT id FROM siblings) chosen WHERE o.id = chosen.id
    RETURNING o.id, o.queue, o.cqrs_id, o.pk, o.signal_type, o.revision, o.previous_data, o.custom, o.meta,
        o.correlation_id, o.direct, o.error, to_json(o.captured_at)::text,
        o.error <> '' AND o.available_at >= make_timestamptz({LAST_YEAR + 1}, 1, 1, 0, 0, 0), o.attempts,
        to_json(o.sent_at)::text
"""
NO_DOCUMENTS = (None,) * 4


def claim(
    using: str, limit: int, older_than_seconds: float, queues: Collection[str] | None, siblings: int
) -> list[Claimed]:
    """As ``outbox.claim``, with at most so many ``siblings``."""
    ensure_autocommit(connections[using])
    parameters = {**_parameters(older_than_seconds, queues), "limit": limit, "siblings": siblings}
    with connections[using].cursor() as cursor:
        cursor.execute(CLAIM, parameters)
        rows = cursor.fetchall()
    if not rows:
        return []
    stamp = clock.for_field(datetime.fromisoformat(json.loads(rows[0][-1])))
    return [_claimed(row, stamp) for row in sorted(rows)]


def has_due(using: str, queues: Collection[str] | None) -> bool:
    """As ``outbox.has_due``."""
    with connections[using].cursor() as cursor:
        cursor.execute(LOOK, _parameters(0, queues))
        return cursor.fetchone() is not None


def _parameters(older_than_seconds: float, queues: Collection[str] | None) -> dict[str, Any]:
    chosen = None if queues is None else array_of_texts(list(queues))
    return {"older_than_seconds": older_than_seconds, "queues": chosen}


def _claimed(row: tuple[Any, ...], stamp: datetime) -> Claimed:
    documents = row[6:10]
    if documents != NO_DOCUMENTS:
        documents = tuple(None if text is None else json.loads(text) for text in documents)
    return Claimed._make((*row[:6], *documents, *row[10:15], stamp))
