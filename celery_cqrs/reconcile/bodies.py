"""What stands in questions and answers: intervals, digests, rows and sights as lists of plain values.

Short forms, for there are many of them: an interval is [start, end], a digest [count, low, high], a row
[key, revision, content], a sight [key, revision, content, tombstone, has_letter].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from celery_cqrs import decode
from celery_cqrs.batch import MAX_REVISION
from celery_cqrs.decode import MAX_INTEGER
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.reconcile.digest import Digest, Interval
from celery_cqrs.reconcile.rows import RowState


@dataclass(frozen=True)
class Sight:
    """What a replica sees of a key: its row, the revision at which it was deleted, whether a letter waits for it."""

    key: str
    revision: int | None = None
    content: str | None = None
    tombstone: int | None = None
    has_letter: bool = False

    @property
    def floor(self) -> int:
        """The newest revision that the replica knows of; -1 for none."""
        return max(-1 if known is None else known for known in (self.revision, self.tombstone))


def to_wire(values: Iterable[Any]) -> list[list[Any]]:
    """Intervals, digests, rows or sights as lists."""
    return [list(astuple(value)) for value in values]


def intervals_of(body: Mapping[str, Any]) -> list[Interval]:
    """The intervals of a question. Raises MessageRefused."""
    return [_interval(item) for item in decode.required(body, "intervals", list)]


def digests_of(items: Any) -> list[Digest]:
    """A list of digests. Raises MessageRefused."""
    return [Digest(*_parts(item, (int, int, int), "a digest")) for item in _list(items, "digests")]


def rows_of(body: Mapping[str, Any]) -> list[RowState]:
    """The rows of an answer. Raises MessageRefused."""
    items = decode.required(body, "rows", list)
    return [RowState(*_parts(item, (str, int, _Nullable(str)), "a row")) for item in items]


def sights_of(body: Mapping[str, Any]) -> dict[str, Sight]:
    """What a replica saw of each key. Raises MessageRefused."""
    kinds = (str, _Nullable(int), _Nullable(str), _Nullable(int), bool)
    items = decode.required(body, "seen", list)
    sights = [Sight(*_parts(item, kinds, "a sight")) for item in items]
    if any(sight.floor > 2 * MAX_REVISION for sight in sights):
        raise MessageRefused(problem="a revision is larger than its column.")
    return {sight.key: sight for sight in sights}


def keys_of(body: Mapping[str, Any]) -> list[str]:
    """The keys of a question. Raises MessageRefused."""
    keys = decode.required(body, "keys", list)
    if not all(isinstance(key, str) for key in keys):
        raise MessageRefused(problem='"keys" must be a list of texts.')
    return list(keys)


@dataclass(frozen=True)
class _Nullable:
    kind: type


def _interval(item: Any) -> Interval:
    ends = _parts(item, (_Nullable(int), _Nullable(int)), "an interval")
    if any(end is not None and abs(end) > MAX_INTEGER + 1 for end in ends):
        raise MessageRefused(problem="an interval ends beyond what a database can hold.")
    return Interval(*ends)


def _list(items: Any, name: str) -> list[Any]:
    if not isinstance(items, list):
        raise MessageRefused(problem=f"{name} must be a list.")
    return items


def _parts(item: Any, kinds: Sequence[Any], name: str) -> list[Any]:
    """The parts of a list, each of its kind. Raises MessageRefused."""
    if isinstance(item, list) and len(item) >= len(kinds) and all(map(_fits, item, kinds)):
        return item[: len(kinds)]
    raise MessageRefused(problem=f"{name} must be a list of {len(kinds)} values of the right kinds.")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, _Nullable):
        return value is None or type(value) is kind.kind
    return type(value) is kind
