"""How far a long command is, on standard error.

A terminal has one line that changes; elsewhere plain lines come now and then.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from shutil import get_terminal_size
from time import monotonic
from types import TracebackType
from typing import Self

from django.core.management.base import CommandError, OutputWrapper
from django.db import Error

REDRAW_SECONDS = 0.2
LINE_SECONDS = 10.0
STOPPED = 130
"""The exit code after Ctrl-C, as shells give it."""

UNREADABLE = 2
"""The exit code when a database is away."""

CLEAR = "\r\x1b[K"


def add_progress_argument(parser: ArgumentParser) -> None:
    """The flag ``--progress`` of every long command."""
    text = f"show progress also where there is no terminal, a line every {LINE_SECONDS:.0f} seconds"
    parser.add_argument("--progress", "-p", action="store_true", help=text)


class Progress:
    """Counts what is done, and shows it: rows, share, rate and time to go.

    ``total`` None is unknown; ``done`` of it was done before, by a run that this one resumes. A terminal always gets
    the line; elsewhere ``shown`` asks for lines.
    """

    def __init__(
        self,
        stream: OutputWrapper,
        total: int | None = None,
        *,
        shown: bool = False,
        done: int = 0,
        unit: str = "rows",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.total = total
        self.done = done
        self._stream = stream
        self._live = stream.isatty()
        self._shown = shown or self._live
        self._before = done
        self._unit = unit
        self._clock = clock
        self._began_at = self._told_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tell(last=True)

    def add(self, count: int = 1) -> None:
        """``count`` more are done."""
        self.done += count
        self.look()

    def look(self) -> None:
        """Show the line if it is time to; for those who wait, too."""
        every_seconds = REDRAW_SECONDS if self._live else LINE_SECONDS
        if self._shown and self._clock() - self._told_at >= every_seconds:
            self._tell()

    def say(self, sentence: str) -> None:
        """A line of its own among those of the progress, shown in any case."""
        self._write(f"{CLEAR if self._live else ''}{sentence}", ending="\n")
        if self._live:
            self._tell()

    @property
    def line(self) -> str:
        """Such as ``12,000 of 50,000 rows (24 %), 3,000/s, 0:00:13 to go``."""
        rate = (self.done - self._before) / max(self._clock() - self._began_at, 1e-9)
        count = f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"
        share = f" ({100 * self.done // self.total} %)" if self.total else ""
        to_go = "" if not self.total or not rate else f", {_span(max(0, self.total - self.done) / rate)} to go"
        return f"{count} {self._unit}{share}, {rate:,.0f}/s{to_go}"

    def _tell(self, *, last: bool = False) -> None:
        self._told_at = self._clock()
        if self._live:
            self._write(CLEAR + self.line[: get_terminal_size().columns - 1], ending="\n" if last else "")
        elif self._shown:
            self._write(self.line, ending="\n")

    def _write(self, text: str, ending: str = "") -> None:
        self._stream.write(text, style_func=str, ending=ending)
        self._stream.flush()


@contextmanager
def stopping_well(how_to_go_on: str) -> Iterator[None]:
    """What ends the work in this block from outside becomes one sentence, and how to go on.

    Ctrl-C ends with STOPPED, a database that goes away with UNREADABLE.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise CommandError(f"Stopped. {how_to_go_on}", returncode=STOPPED) from error
    except Error as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise CommandError(f"A database went away: {said}. {how_to_go_on}", returncode=UNREADABLE) from error


def _span(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(min(seconds, 1e9))))
