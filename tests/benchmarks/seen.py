"""When rows become visible on a replica, told by the database: a trigger notifies, and that arrives at the COMMIT."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.side import Side
from tests.benchmarks.watch import RunInvalid

CHANNEL = "bench_seen"
TRIGGER = f"""
    CREATE OR REPLACE FUNCTION bench_seen() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('{CHANNEL}', NEW.id::text);
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER bench_seen AFTER INSERT ON account FOR EACH ROW WHEN (NEW.id > {{above}})
        EXECUTE FUNCTION bench_seen();
"""


@contextmanager
def watching(side: Side, above: int = 0) -> Iterator[Any]:
    """A connection to the replica that hears of every new row with a key ``above`` that, as long as the block lasts."""
    with side.connect() as connection:
        connection.execute(TRIGGER.format(above=above))
        connection.execute(f"LISTEN {CHANNEL}")
        try:
            yield connection
        finally:
            connection.execute("DROP TRIGGER bench_seen ON account")


def when_seen(connection: Any, rows: int, seconds: float) -> dict[int, float]:
    """Key → the moment at which its row was visible, seconds since 1970, for so many rows. Raises RunInvalid."""
    seen: dict[int, float] = {}
    deadline = time.monotonic() + seconds
    while len(seen) < rows:
        if time.monotonic() > deadline:
            raise RunInvalid(f"{len(seen)} rows were seen of {rows} in {seconds:.0f} s")
        for notification in connection.notifies(timeout=1, stop_after=1):
            seen.setdefault(int(notification.payload), time.time())
    return seen
