"""``python -m tests.benchmarks.capture FIRST LAST``: in either project, create these accounts on the master.

The moment before the first goes to the file that BENCH_RESULT names, if it names one.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
from django.apps import apps

FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
CHUNK_ROWS = 10_000
ACCOUNTS = """
    INSERT INTO account (id, number, owner, email, currency, balance, active, opened_at, cqrs_revision, cqrs_updated)
    SELECT k, 'DE' || lpad(k::text, 20, '0'), 'Ángela Núñez ' || k, 'owner' || k || '@example.com',
           (ARRAY['EUR', 'USD', 'JPY'])[1 + mod(k, 3)], mod(k * 37, 10000000) / 100.0, mod(k, 7) <> 0,
           timestamptz '2020-01-01' + k * interval '61 seconds', 0, now()
    FROM generate_series(%s::integer, %s::integer) k
"""
"""The rows of ``account`` for the keys from one number to another, made by PostgreSQL."""


def account(key: int) -> dict[str, Any]:
    """The values of one row."""
    return {
        "id": key,
        "number": f"DE{key:020}",
        "owner": f"Ángela Núñez {key}",
        "email": f"owner{key}@example.com",
        "currency": ("EUR", "USD", "JPY")[key % 3],
        "balance": Decimal(key * 37 % 10_000_000) / 100,
        "active": key % 7 != 0,
        "opened_at": FIRST_DAY + timedelta(seconds=key * 61),
    }


def main(first: int, last: int) -> None:
    """In portions, as a project would."""
    django.setup()
    model = apps.get_model("master", "Account")
    if path := os.environ.get("BENCH_RESULT"):
        Path(path).write_text(str(time.time()))
    for start in range(first, last + 1, CHUNK_ROWS):
        keys = range(start, min(start + CHUNK_ROWS, last + 1))
        model.cqrs.bulk_create([model(**account(key)) for key in keys])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
