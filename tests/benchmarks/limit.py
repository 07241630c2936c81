"""What PostgreSQL and its driver can do at most: the guarded statement alone, from arrays that are ready."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.benchmarks.capture import FIRST_DAY, account
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Sample
from tests.benchmarks.watch import RunInvalid

BATCH_ROWS = 500
COLUMNS = {
    "id": "bigint",
    "number": "text",
    "owner": "text",
    "email": "text",
    "currency": "text",
    "balance": "numeric",
    "active": "boolean",
    "opened_at": "timestamptz",
    "cqrs_revision": "integer",
    "cqrs_updated": "timestamptz",
}
CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")
UPSERT = f"""
    INSERT INTO account ({", ".join(COLUMNS)})
    SELECT {", ".join(f"{name}::{kind}" for name, kind in COLUMNS.items())}
    FROM unnest({", ".join(["%s::text[]"] * len(COLUMNS))}) AS given ({", ".join(COLUMNS)})
    WHERE NOT EXISTS (
        SELECT FROM celery_cqrs_tombstone WHERE pk = given.id AND cqrs_id = 'account' AND side = 'replica'
    )
    ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET {CHANGES} WHERE account.cqrs_revision < excluded.cqrs_revision
"""


def upsert_rate(side: Side, *, rows: int, at_once: int = BATCH_ROWS) -> Sample:
    """Rows per second of guarded upserts, ``at_once`` in a statement, 500 in a transaction, one connection."""
    side.empty()
    batches = [
        _arrays(range(first, min(first + BATCH_ROWS, rows + 1)), at_once) for first in range(1, rows + 1, BATCH_ROWS)
    ]
    with side.connect() as connection:
        start = time.monotonic()
        for batch in batches:
            with connection.transaction():
                for arrays in batch:
                    connection.execute(UPSERT, arrays)
        seconds = time.monotonic() - start
        (count,) = connection.execute("SELECT count(*) FROM account").fetchone()
    if count != rows:
        raise RunInvalid(f"the limit wrote {count} rows of {rows}")
    return Sample(rows / seconds)


def _arrays(keys: range, at_once: int) -> list[list[list[str]]]:
    """The texts of these rows, column by column, for each statement."""
    parts = [keys[first : first + at_once] for first in range(0, len(keys), at_once)]
    return [[list(column) for column in zip(*map(_texts, part), strict=True)] for part in parts]


def _texts(key: int) -> Sequence[str]:
    return [str(value) for value in {**account(key), "cqrs_revision": 0, "cqrs_updated": FIRST_DAY}.values()]
