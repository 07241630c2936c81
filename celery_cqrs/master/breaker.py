"""After a failed publish this process rests for a while: a broker that is down is asked once, not once per change."""

from __future__ import annotations

from time import monotonic

from celery_cqrs import conf

_closes_at = 0.0


def trip() -> None:
    """Rest for ``breaker_seconds`` from now."""
    global _closes_at
    _closes_at = monotonic() + conf.master.breaker_seconds


def reset() -> None:
    """Publish again at once."""
    global _closes_at
    _closes_at = 0.0


def rest_seconds() -> float:
    """How long this process still rests; 0 when it may publish."""
    return max(0.0, _closes_at - monotonic())
