"""``python -m tests.benchmarks.drift [ROWS]``: 1,000 drifts of five kinds among ROWS (1,000,000) on PostgreSQL
and Redis, while a writer saves 100 rows a second; found and repaired by one deep comparison.

It prints a JSON object. ``unequal`` counts the rows in which both sides differ at the end, column by column; ``found``
above ``injected`` would be false alarms.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.end_to_end import is_empty, warm_up
from tests.benchmarks.environment import about
from tests.benchmarks.ours.side import Ours
from tests.benchmarks.queues import Queues
from tests.benchmarks.touch import NOT_TOUCHED
from tests.benchmarks.watch import look

COLUMNS = "id, number, owner, email, currency, balance, active, opened_at, cqrs_revision"
FILL = """
INSERT INTO account (id, number, owner, email, currency, balance, active, opened_at, cqrs_revision, cqrs_updated)
SELECT n, 'DE' || n, 'Ángela Núñez ' || n, 'owner' || n || '@example.com', 'EUR', n %% 10000000 / 100.0, n %% 7 <> 0,
       '2020-01-01Z'::timestamptz + n * interval '61 s', 1, '2026-01-01Z'
FROM generate_series(1, %s) AS n
"""
GRAVES = """
INSERT INTO celery_cqrs_tombstone (side, cqrs_id, pk, revision, deleted_at)
SELECT %s, 'account', id::text, 2, now() FROM account WHERE """
WRITES_PER_SECOND = 100
KINDS = 5
OUTBOX_SECONDS = 180
HAND = f"id %% {NOT_TOUCHED} = 0 AND id / {NOT_TOUCHED} %% {KINDS} = "
"""A part of the accounts that the writer leaves alone."""


def main(rows: int) -> dict[str, Any]:
    """Everything is made before and removed after."""
    scratch = Path(tempfile.mkdtemp(prefix="cqrs-drift-"))
    with Queues("redis") as queues, Ours(scratch, Path(sys.executable), queues) as side:
        for role in ("master", "replica"):
            _execute(side, role, FILL, [rows])
            _execute(side, role, "ANALYZE account")
        queues.start()
        with side.whole_chain():
            warm_up(side)
            quiet = _compare(side)
            clean = _compare(side, "--deep")
            per_kind = rows // NOT_TOUCHED // KINDS
            _inject(side, per_kind)
            with _writing(side, rows) as log:
                began, before = time.monotonic(), _saved(log)
                beside = _compare(side, "--deep")
                rate = (_saved(log) - before) / (time.monotonic() - began)
            with side.connect("master") as master:
                look(partial(is_empty, master, side.outbox), OUTBOX_SECONDS, "an empty outbox")
            after = _compare(side, "--deep")
        unequal = _unequal(side)
    shutil.rmtree(scratch)
    told = {"quick, nothing to repair": quiet, "deep, nothing to repair": clean, "deep, beside a writer": beside}
    return {
        "rows": rows,
        "injected": KINDS * per_kind,
        "writes_per_second": round(rate, 1),
        **told,
        "deep, after it": after,
        "unequal": unequal,
        "about": about(),
    }


def _execute(side: Ours, role: str, sql: str, parameters: Sequence[Any] | None = None) -> None:
    with side.connect(role) as connection:
        connection.execute(sql, parameters)


def _inject(side: Ours, per_kind: int) -> None:
    """Missing, deleted and back, never known to the master, stale, and edited at the same revision."""
    _execute(side, "replica", f"DELETE FROM account WHERE {HAND} 0", [])
    _execute(side, "master", f"{GRAVES} {HAND} 1", ["master"])
    _execute(side, "replica", f"{GRAVES} {HAND} 1", ["replica"])
    _execute(side, "master", f"DELETE FROM account WHERE {HAND} 1", [])
    _execute(side, "replica", FILL.replace("SELECT n,", "SELECT n + 100000000,"), [per_kind])
    _execute(side, "master", f"UPDATE account SET balance = -1, cqrs_revision = 2 WHERE {HAND} 3", [])
    _execute(side, "replica", f"UPDATE account SET balance = -2 WHERE {HAND} 4", [])


@contextmanager
def _writing(side: Ours, rows: int) -> Iterator[Path]:
    argv = [side.python, "-m", "tests.benchmarks.touch", "1", str(rows - 1), str(WRITES_PER_SECOND)]
    with side.running("touch", argv, "master"):
        log = side.scratch / f"{side.name}-touch.log"
        look(lambda: log.exists() and log.stat().st_size > 0, 60, "the first write")
        yield log


def _saved(log: Path) -> int:
    return len(log.read_text().splitlines())


def _compare(side: Ours, *arguments: str) -> dict[str, Any]:
    """What the newest comparison has counted, and how long the command took."""
    began = time.monotonic()
    side.python_module("django", "cqrs_reconcile", "--timeout", "300", *arguments, role="master")
    kinds = ("missing", "extra", "stale", "content", "ahead", "letter", "repaired", "master_rows", "bytes_exchanged")
    seconds = "extract(epoch FROM ended_at - started_at)::float"
    with side.connect("master") as master:
        sql = f"SELECT {', '.join(kinds)}, {seconds} FROM celery_cqrs_reconciliation ORDER BY id DESC LIMIT 1"
        row = master.execute(sql).fetchone()
    return dict(zip((*kinds, "seconds"), row, strict=True)) | {"command_seconds": round(time.monotonic() - began, 2)}


def _unequal(side: Ours) -> int:
    """Rows in which one side differs from the other."""
    both = []
    for role in ("master", "replica"):
        with side.connect(role) as connection:
            both.append(set(connection.execute(f"SELECT md5(ROW({COLUMNS})::text) FROM account").fetchall()))
    return len(both[0] ^ both[1])


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000), indent=2))
