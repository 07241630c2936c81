"""The largest statement that MariaDB and MySQL take: a larger one ends the connection, and the batch with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db import connections

MARGIN_BYTES = 100_000
"""For the statement around the values."""
WIDEST = 8
"""Bytes that a character may need: four, each of them escaped."""
ESCAPED = "\\'\"\x00\n\r\x1a"


def exceeds(using: str, values: Iterable[Any]) -> bool:
    """Whether plain ``values`` are too large for one statement on database ``using``."""
    limit = _limit_bytes(using)
    if limit is None:
        return False
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return sum(map(len, texts)) * WIDEST > limit and sum(map(_escaped_bytes, texts)) > limit


def _escaped_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + sum(map(text.count, ESCAPED))


@cache
def _limit_bytes(using: str) -> int | None:
    connection = connections[using]
    if connection.vendor != "mysql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        return int(cursor.fetchone()[0]) - MARGIN_BYTES
