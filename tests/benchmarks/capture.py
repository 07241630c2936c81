"""``python -m tests.benchmarks.capture ROWS``: in either project, create the accounts 1 to ROWS on the master."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django
from django.apps import apps

FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
CHUNK_ROWS = 10_000


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


def main(rows: int) -> None:
    """In portions, as a project would."""
    django.setup()
    model = apps.get_model("master", "Account")
    for first in range(1, rows + 1, CHUNK_ROWS):
        keys = range(first, min(first + CHUNK_ROWS, rows + 1))
        model.cqrs.bulk_create([model(**account(key)) for key in keys])


if __name__ == "__main__":
    main(int(sys.argv[1]))
