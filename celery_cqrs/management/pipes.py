"""Commands that stand in a pipe: lines in, lines out, and on standard error what people should know."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db.models import QuerySet

from celery_cqrs.exceptions import CqrsError
from celery_cqrs.management.arguments import portion
from celery_cqrs.management.progress import Progress, add_progress_argument, stopping_well
from celery_cqrs.registry import Registry
from celery_cqrs.serialize import Plain
from celery_cqrs.transfer.pipe import Header, decoded, read_header

BATCH = 10_000
GO_ON = "What was printed is right, and not all of it: run the whole pipe again."


@contextmanager
def ending_well(output: OutputWrapper, how_to_go_on: str) -> Iterator[None]:
    """As ``stopping_well``; what the package refuses is one sentence, and nobody reading on is the end, quietly."""
    try:
        with stopping_well(how_to_go_on):
            yield
            output.flush()
    except CqrsError as error:
        raise CommandError(str(error)) from error
    except BrokenPipeError:  # "| head" has seen enough
        discard(output)
    except OSError as error:  # the disk is full
        discard(output)
        raise CommandError(f"Standard output cannot be written: {error.strerror}. {how_to_go_on}") from error


class PipeCommand(BaseCommand):
    """A command of a diff pipe. ``work`` does it, with the options as keywords."""

    how_to_go_on = GO_ON
    strange = 0
    """How many keys cannot be keys of the model."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Work, and end with one sentence whatever comes between."""
        self.strange = 0
        with ending_well(self.stdout, self.how_to_go_on):
            self.work(**options)
        if self.strange:
            raise CommandError(f"{self.strange} keys, named above, cannot be keys of the model and were passed over.")

    def work(self, **options: Any) -> None:
        """What the command is for."""
        raise NotImplementedError

    def add_choice_arguments(self, parser: ArgumentParser, side: str) -> None:
        """The flags of the first command of a pipe, which says whose rows are meant."""
        parser.add_argument("--cqrs-id", "-cid", required=True, help=f"CQRS_ID of the {side} model")
        parser.add_argument("--filter", "-f", metavar="JSON", help='only these rows, such as {"id__gt": 1000}')
        parser.add_argument("--batch", "-b", type=portion, default=BATCH, help=f"rows in a line ({BATCH})")
        add_progress_argument(parser)

    def open_pipe(self, registry: type[Registry]) -> tuple[Header, Iterator[str]]:
        """The header of standard input, and the lines behind it. Raises InputRefused and WrongCqrsId."""
        lines = decoded(sys.stdin or ())
        return read_header(lines, registry), lines

    def write_line(self, line: str) -> None:
        """A line for the next command, at once."""
        self.stdout.write(line)
        self.stdout.flush()

    def write_list(self, items: Sequence[Any]) -> None:
        """A list for the next command."""
        self.write_line(json.dumps(items, separators=(",", ":")))

    def tell_keys(self, what: str, keys: Collection[Plain]) -> None:
        """``what`` are these ``keys``, on standard error, as django-cqrs tells it."""
        if keys:
            self.stderr.write(f"{what}: {keys}", style_func=str)

    def counting(self, rows: QuerySet[Any], shown: bool) -> Progress:
        """The progress over ``rows``, which are counted only when somebody sees it."""
        seen = shown or self.stderr.isatty()
        return Progress(self.stderr, rows.count() if seen else None, shown=shown)

    def pass_over(self, keys: Sequence[Plain]) -> None:
        """Tell ``keys`` that cannot be keys of the model; the command will end with 1."""
        self.tell_keys("No PK of this model", keys)
        self.strange += len(keys)


def discard(output: OutputWrapper) -> None:
    """Let nothing more be written, also not when Python ends."""
    stream: Any = getattr(output, "_out", None)
    if stream is sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
