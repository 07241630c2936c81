"""Runs the commands of dumps as an operator does, and reads what they left."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from tests.app.models import Author


@dataclass(frozen=True)
class Ran:
    """What a command printed, the sentence it ended with, and its exit code."""

    output: str
    told: str
    error: str
    code: int


def run(*arguments: Any) -> Ran:
    """Run a command of ours with arguments as on the command line."""
    output, told = StringIO(), StringIO()
    try:
        call_command(*map(str, arguments), stdout=output, stderr=told)
    except CommandError as error:
        return Ran(output.getvalue(), told.getvalue(), str(error), error.returncode)
    return Ran(output.getvalue(), told.getvalue(), "", 0)


def dump(path: Path, cqrs_id: str = "author", *arguments: Any) -> Ran:
    """Dump a model to a file."""
    return run("cqrs_bulk_dump", "--cqrs-id", cqrs_id, "--output", path, *arguments)


def load(path: Path, *arguments: Any) -> Ran:
    """Load a file."""
    return run("cqrs_bulk_load", "--input", path, *arguments)


def write_authors(path: Path, count: int, revision: int = 0, name: str = "Author", first: int = 1) -> Path:
    """A dump of so many authors, as django-cqrs writes it: without an end of the last line."""
    moment = "2026-01-02 03:04:05.678901+00:00"
    rows = [
        f'{{"id":{key},"name":"{name} {key}","born":null,"rival":null,'
        f'"cqrs_revision":{revision},"cqrs_updated":"{moment}"}}'
        for key in range(first, first + count)
    ]
    path.write_text("\n".join(["author", *rows]))
    return path


def make_authors(count: int) -> None:
    """So many authors that nobody has captured."""
    Author.objects.bulk_create([Author(pk=key, name=f"Author {key}") for key in range(1, count + 1)])
