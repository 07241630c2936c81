"""end_to_end_bulk: from `cqrs.bulk_create` on the master until the last row is on the replica and the outbox empty."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.benchmarks import replication
from tests.benchmarks.arena import Arena
from tests.benchmarks.side import Side
from tests.benchmarks.turns import Measure, Sample
from tests.benchmarks.watch import STALL_SECONDS, START_SECONDS, RunInvalid, look

WARM_UP_KEY = -1


def end_to_end(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
    """The limit is PostgreSQL's logical replication."""
    return {
        "ours": partial(chain_rate, arena.ours, rows["ours"]),
        "theirs": partial(chain_rate, arena.theirs, rows["theirs"]),
        "limit": partial(replication.bulk_rate, rows["limit"]),
    }


def growth(arena: Arena, rows: Mapping[str, int]) -> Mapping[str, Measure]:
    """The same for other numbers of rows, ours alone."""
    return {"ours": partial(chain_rate, arena.ours, rows["ours"])}


def chain_rate(side: Side, rows: int) -> Sample:
    """Rows per second; a first row, not counted, shows that all processes are up."""
    for role in ("master", "replica"):
        side.empty(role)
    side.queues.start()
    start = side.scratch / "start.txt"
    with side.whole_chain(), side.connect() as replica, side.connect("master") as master:
        warm_up(side)
        side.capture(1, rows, BENCH_RESULT=str(start))
        arrived = partial(_has_arrived, side, replica, master, rows)
        look(arrived, STALL_SECONDS + rows / 20, f"row {rows} and an empty outbox")
        seconds = time.time() - float(start.read_text())
        (count,) = replica.execute("SELECT count(*) FROM account").fetchone()
    if count != rows + 1:
        raise RunInvalid(f"{count - 1} rows arrived of {rows}")
    return Sample(rows / seconds)


def warm_up(side: Side, mode: str = "relay") -> None:
    """All processes are up once a first row has gone all the way."""
    side.capture(WARM_UP_KEY, WARM_UP_KEY, BENCH_PUBLISH=mode)
    with side.connect() as replica, side.connect("master") as master:
        look(partial(_has_arrived, side, replica, master, WARM_UP_KEY), START_SECONDS, "the warm-up row")


def _has_arrived(side: Side, replica: Any, master: Any, key: int) -> bool:
    (found,) = replica.execute("SELECT EXISTS (SELECT FROM account WHERE id = %s)", [key]).fetchone()
    return bool(found) and is_empty(master, side.outbox)


def is_empty(connection: Any, table: str | None) -> bool:
    """Whether nothing waits for a confirmation any more."""
    return table is None or not connection.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone()[0]
