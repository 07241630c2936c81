"""The lines of a dump: the CQRS_ID first, then a JSON object a row. What cannot be read is told by its number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from celery_cqrs.decode import is_count
from celery_cqrs.exceptions import DumpRefused
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry
from celery_cqrs.transfer.files import Source


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it came, and its data; a bad one has a ``problem`` instead."""

    number: int
    raw: bytes
    data: dict[str, Any]
    problem: str = ""


def read_cqrs_id(source: Source) -> str:
    """The first line. Raises DumpRefused when there is none."""
    cqrs_id = source.next_line().decode("utf-8", "backslashreplace").lstrip("\ufeff").strip()
    if not cqrs_id:
        raise DumpRefused(problem=f"{source.place} is empty!")
    return "".join(sign if sign.isprintable() else "?" for sign in cqrs_id)


def skip_lines(source: Source, last: int) -> None:
    """Go behind line ``last``. Raises DumpRefused when there are fewer."""
    while source.line_number < last:
        if not source.next_line():
            raise DumpRefused(problem=f"{source.place} has only {source.line_number} lines; it is another file.")


def portions(source: Source, size: int) -> Iterator[list[Line]]:
    """The rows that are left, ``size`` at a time; while those of a file are written, a thread reads the next ones.

    Raises DumpRefused where the file ends in the middle of a row.
    """
    lines = _lines(source)
    if source.size is None:  # a thread that waits for a pipe could not be stopped
        while portion := _take(lines, size):
            yield portion
        return
    with ThreadPoolExecutor(1, "celery_cqrs-dump") as thread:
        ahead = thread.submit(_take, lines, size)
        while portion := ahead.result():
            ahead = thread.submit(_take, lines, size)
            yield portion


def _take(lines: Iterator[Line], size: int) -> list[Line]:
    return list(islice(lines, size))


def _lines(source: Source) -> Iterator[Line]:
    while raw := source.next_line():
        line = _parsed(source.line_number, raw)
        if line.problem and not raw.endswith(b"\n"):
            raise DumpRefused(problem=f"{source.place} is cut off: it ends in the middle of line {line.number}.")
        if line.problem:
            _refuse_other_dump(source, line)
        if line.data or line.problem:
            yield line


def _parsed(number: int, raw: bytes) -> Line:
    """An empty line is neither data nor a problem."""
    try:
        text = raw.decode().strip()
        data = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return Line(number, raw, {}, "Dump file can't be parsed")
    if not isinstance(data, dict):
        return Line(number, raw, {}, "Dump file can't be parsed")
    if text and not (is_count(data.get("cqrs_revision")) and "cqrs_updated" in data):
        return Line(number, raw, {}, 'it needs "cqrs_revision", a whole number, and "cqrs_updated"')
    return Line(number, raw, data)


def _refuse_other_dump(source: Source, line: Line) -> None:
    """Behind another CQRS_ID come another model's rows."""
    text = line.raw.decode("utf-8", "replace").strip()
    if text in MasterRegistry.models or text in ReplicaRegistry.models:
        problem = (
            f"{source.place} is mixed: a dump of {text!r} begins at line {line.number}. Give it a file of its own."
        )
        raise DumpRefused(problem=problem)
