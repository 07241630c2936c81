"""Waits that double with every attempt, up to a cap."""

from __future__ import annotations

MAX_DOUBLINGS = 60
"""More would leave the range of a float after some hundred attempts."""


def backoff_seconds(first_seconds: float, doublings: int, longest_seconds: float) -> float:
    """``first_seconds`` doubled ``doublings`` times, at most ``longest_seconds``."""
    return min(first_seconds * 2.0 ** min(doublings, MAX_DOUBLINGS), longest_seconds)
