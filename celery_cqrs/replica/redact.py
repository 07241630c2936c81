"""Errors quote values: those of databases, and those of hooks. What people see of an error has none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from celery_cqrs.message import Message

SHORTEST = 4
"""Shorter values say little of anybody, and are words of the error itself too often."""


def without_values(text: str, message: Message) -> str:
    """``text`` with the values that ``message`` carries left out; ids, keys and names of fields stay."""
    kept = {str(message.instance_pk), message.cqrs_id, *message.instance_data}
    found = {value for value in _values(message) if len(value) >= SHORTEST and value not in kept}
    for value in sorted(found, key=len, reverse=True):
        if value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", text)
    return text


def _values(message: Message) -> Iterator[str]:
    for source in (message.instance_data, message.previous_data, message.meta):
        for leaf in _leaves(source):
            yield str(leaf)
            yield repr(leaf)[1:-1]  # as it stands between the quotes of another repr


def _leaves(value: Any) -> Iterator[Any]:
    """Without recursion: it may be nested as deeply as the stack allows."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        elif isinstance(one, str | int | float) and not isinstance(one, bool):
            yield one
