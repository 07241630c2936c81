"""Values on the command line: what cannot be meant is refused with a sentence, before anything is done."""

from __future__ import annotations

from argparse import ArgumentTypeError

LONGEST_SECONDS = 1e10
"""Three hundred years; dates do not reach much further."""


def seconds(text: str) -> float:
    """A time in seconds, not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= LONGEST_SECONDS:  # refuses nan too
        raise ArgumentTypeError(f"{text!r} is no number of seconds.")
    return value


def count(text: str) -> int:
    """A whole number, not negative."""
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text!r} is no number of rows.")
    return int(text)


def row_id(text: str) -> int:
    """The id of a row."""
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise ArgumentTypeError(f"{text!r} is no id of a row.")
    return int(text)


def portion(text: str) -> int:
    """How many rows at a time, at least one."""
    value = count(text)
    if not value:
        raise ArgumentTypeError("0 rows at a time are none.")
    return value


def rate(text: str) -> float:
    """How many rows a second, more than none."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= LONGEST_SECONDS:
        raise ArgumentTypeError(f"{text!r} is no number of rows a second.")
    return value
