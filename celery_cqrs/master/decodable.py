"""What a worker can decode: Celery drops a task whose JSON it cannot read, with all messages that travel in it.

PostgreSQL keeps documents that are nested deeper, and whole numbers that are longer, than Python's decoder takes.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate

MOST_LEVELS = 200
"""How deep objects and arrays of a row may be nested: decoding and copying need some stack for each."""
MOST_DIGITS = 4_300
"""Of a whole number; see ``sys.set_int_max_str_digits``."""

STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
BRACKET = re.compile(r"[][{}]")
DIGITS = re.compile(r"[0-9]+")


def problem_of(text: str) -> str | None:
    """Why a worker could not decode ``text`` (JSON), as a sentence; None where it can."""
    if len(text) < 2 * MOST_LEVELS:
        return None
    if text.count("[") + text.count("{") > MOST_LEVELS and _levels(text) > MOST_LEVELS:
        return (
            f"its JSON is nested more than {MOST_LEVELS} levels deep. Store it flatter, or leave it out of CQRS_FIELDS."
        )
    if len(text) > MOST_DIGITS and max(map(len, DIGITS.findall(text)), default=0) > MOST_DIGITS:
        return _problem_of_numbers(text)
    return None


def _levels(text: str) -> int:
    brackets = BRACKET.findall(STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets))


def _problem_of_numbers(text: str) -> str | None:
    """Long runs of digits are no harm inside of a text."""
    try:
        json.loads(text)
    except ValueError as error:
        return f"its JSON cannot be read back ({error}). Store that number as a text."
    return None
