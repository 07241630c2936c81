"""What travels through the pipes of the diff commands: a header, then lists of keys as lines of JSON.

As django-cqrs writes it: either end of a pipe may still be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware, make_aware

from celery_cqrs.decode import is_count
from celery_cqrs.exceptions import InputRefused, WrongCqrsId
from celery_cqrs.registry import NAME_LENGTH, Registry
from celery_cqrs.serialize import Plain

ALL_QUEUES = "None"
"""What a replica of django-cqrs without a queue writes in its place."""

EMPTY = "there is none. The command before this one in the pipe has printed nothing, and has said why."
BEFORE = "The lines before it are done, and nothing after it."
NO_HEADER = 'it must be "CQRS_ID,timestamp", as the first command of the pipe prints it.'
NO_MOMENT = "its timestamp cannot be read, so nobody can tell which rows have changed since."
NO_JSON = "it is no JSON: it was cut off, or is not from this pipe."
NO_KEYS = "it must be a list of keys, which are texts or numbers."
NO_PAIRS = "it must be a list of pairs: a key, which is a text or a number, and its revision."
NO_TEXT = "it is no text in UTF-8."
NO_QUEUE = "it names no queue. What cqrs_diff_replica prints is wanted here."
FOR_A_QUEUE = "it names a queue: what follows is to be sent again, by cqrs_diff_sync, and not to be deleted."

Pair = tuple[Plain, int]
"""A key and its revision."""


@dataclass(frozen=True)
class Header:
    """The first line: whose keys follow, when they were read and, of keys to sync, for which replica queue."""

    cqrs_id: str
    moment: str
    queue: str | None = None

    @classmethod
    def now(cls, cqrs_id: str) -> Header:
        """The header of what is read from now on."""
        return cls(cqrs_id, str(datetime.now(UTC)))

    @property
    def line(self) -> str:
        """As it travels."""
        return ",".join([self.cqrs_id, self.moment, *([self.queue] if self.queue else [])])

    @property
    def read_at(self) -> datetime:
        """When the keys were read, aware. Raises InputRefused when the header does not tell."""
        try:
            moment = parse_datetime(self.moment)
        except ValueError:
            moment = None
        if moment is None:
            raise InputRefused(line=1, problem=NO_MOMENT)
        return moment if is_aware(moment) else make_aware(moment)

    @property
    def wanted_queue(self) -> str | None:
        """The queue to which rows are sent, None for all. Raises InputRefused where the header is of another pipe."""
        if self.queue is None:
            raise InputRefused(line=1, problem=NO_QUEUE)
        return None if self.queue == ALL_QUEUES else self.queue

    def demand_no_queue(self) -> None:
        """Raise InputRefused where keys to send again have come in place of keys to delete."""
        if self.queue is not None:
            raise InputRefused(line=1, problem=FOR_A_QUEUE)


def read_header(lines: Iterator[str], registry: type[Registry]) -> Header:
    """Take the first of ``lines``, whose id is one of ``registry``. Raises InputRefused and WrongCqrsId."""
    parts = next(lines, "").strip().lstrip("\ufeff").split(",")
    if parts == [""]:
        raise InputRefused(line=1, problem=EMPTY)
    for number in range(1, len(parts) + 1):  # an id may have commas of its own
        cqrs_id = ",".join(parts[:number])
        if cqrs_id in registry.models:
            moment, *queue = parts[number:] or [""]
            if not moment:
                raise InputRefused(line=1, problem=NO_HEADER)
            return Header(cqrs_id, moment, ",".join(queue) or None)
    raise WrongCqrsId(cqrs_id=parts[0][:NAME_LENGTH])


def read_pairs(lines: Iterable[str]) -> Iterator[list[Pair]]:
    """The lists of keys with revisions in ``lines`` behind the header. Raises InputRefused."""
    return _lists(lines, _is_pair, NO_PAIRS)


def read_keys(lines: Iterable[str]) -> Iterator[list[Plain]]:
    """The lists of keys in ``lines`` behind the header. Raises InputRefused."""
    return _lists(lines, _is_key, NO_KEYS)


def decoded(lines: Iterable[str]) -> Iterator[str]:
    """``lines`` of a text stream. Raises InputRefused where they are no text."""
    number = 0
    try:
        for line in lines:
            yield line
            number += 1
    except UnicodeDecodeError as error:
        raise InputRefused(line=number + 1, problem=NO_TEXT) from error


def _lists(lines: Iterable[str], is_right: Callable[[Any], bool], problem: str) -> Iterator[list[Any]]:
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        items = _parsed(number, line)
        if not isinstance(items, list) or not all(map(is_right, items)):
            raise InputRefused(line=number, problem=f"{problem} {BEFORE}")
        yield items


def _parsed(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputRefused(line=number, problem=f"{NO_JSON} {BEFORE}") from error


def _is_key(item: Any) -> bool:
    return isinstance(item, str | int | float) and not isinstance(item, bool)


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and _is_key(item[0]) and is_count(item[1])
