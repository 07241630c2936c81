"""How much is sent at once: a quarter after a send that took too long, a tenth more after each that passed.

A timeout does not tell whether the broker hangs or the batch is too large for the way to it. Smaller batches find out,
and a single message that fails again where others pass is the culprit itself. The memory is this process's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

SHRINK = 4.0
GROW = 1.1
SMALLEST = 1 / 512
KEPT_ROWS = 1_000

_share = 1.0
_passed_at = 0.0
_failed_at: dict[int, float] = {}
"""Row id → when its message alone took too long."""


def of(limit: int) -> int:
    """As much of ``limit`` (messages or bytes) as is sent at once at present, at least 1."""
    return max(1, int(limit * _share))


def note_passed() -> None:
    """A batch has passed: more may be tried."""
    global _share, _passed_at
    _share, _passed_at = min(1.0, _share * GROW), monotonic()


def note_too_slow() -> None:
    """A batch did not pass in time: less is to be tried."""
    global _share
    _share = max(SMALLEST, _share / SHRINK)


def suspects_last(messages: Sequence[T], ids_of: Callable[[T], Iterable[int]]) -> Sequence[T]:
    """``messages`` in order, but for those whose rows, all alone, did not pass before: others should go first."""
    return sorted(messages, key=lambda one: not _failed_at.keys().isdisjoint(ids_of(one))) if _failed_at else messages


def is_culprit(row_ids: Iterable[int]) -> bool:
    """Whether others have passed since the message of these rows failed alone."""
    return any(_failed_at.get(row_id, _passed_at) < _passed_at for row_id in row_ids)


def note_suspect(row_ids: Iterable[int]) -> None:
    """The message of these rows, all alone, did not pass in time."""
    if len(_failed_at) > KEPT_ROWS:
        _failed_at.clear()
    _failed_at.update(dict.fromkeys(row_ids, monotonic()))


def reset() -> None:
    """Forget everything."""
    global _share, _passed_at
    _share, _passed_at = 1.0, 0.0
    _failed_at.clear()
