"""The independent eye: are two tables, read with plain SQL, the same?"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.harness.databases import Row


def differences(columns: Sequence[str], master: Iterable[Row], replica: Iterable[Row]) -> list[str]:
    """One sentence for each row that is missing, not wanted, or unlike; the key is the first column."""
    wanted = {row[0]: row for row in map(plain, master)}
    found = {row[0]: row for row in map(plain, replica)}
    lines = [f"{key} is missing" for key in sorted(wanted.keys() - found.keys())]
    lines += [f"{key} should not be there" for key in sorted(found.keys() - wanted.keys())]
    for key in sorted(wanted.keys() & found.keys()):
        for column, left, right in zip(columns, wanted[key], found[key], strict=True):
            lines += _unlike(f"{key} {column}", left, right)
    return lines


def _unlike(place: str, left: Any, right: Any) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            yield from _unlike(f"{place}.{name}", left.get(name), right.get(name))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, pair in enumerate(zip(left, right, strict=True)):
            yield from _unlike(f"{place}[{index}]", *pair)
    elif left != right:
        yield f"{place}: {left!r} became {right!r}"


def plain(row: Row) -> Row:
    """The row with its values in the one form that every driver's values can be brought to."""
    return tuple(_plain(value) for value in row)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
        return moment.replace(tzinfo=None).isoformat(" ")
    return value
