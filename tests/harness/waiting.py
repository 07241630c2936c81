"""The only place that lets time pass."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_SECONDS = 0.1


class TooLateError(AssertionError):
    """Something did not happen before its deadline; the text says what was awaited and for how long."""


def pace(until: float) -> None:
    """Let time pass until this moment of ``time.monotonic()``."""
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_SECONDS))


def wait_until(condition: Callable[[], object], *, what: str, seconds: float) -> float:
    """Look until ``condition`` holds, and return the seconds it took; after ``seconds`` raise TooLateError."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TooLateError(f"waited {seconds:g} s in vain for {what}")
        pace(time.monotonic() + LOOK_SECONDS)
    return time.monotonic() - start
