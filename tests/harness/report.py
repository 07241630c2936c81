"""One line a step; on a terminal a line below it that moves."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PLAIN_SECONDS = 5.0  # without a terminal a sign of life as often as this is enough
CLEAR = "\r\x1b[K"


class Report:
    """Tells what is done, how long it took, and meanwhile that something moves."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self.output = output
        self.live = output.isatty()
        self.start = self._shown = time.monotonic()
        self.detail = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the step's line when it ends; ``tell`` adds to it, ``progress`` shows life."""
        self.detail, began = "", time.monotonic()
        self.progress(title)
        yield
        self.line(f"{title:<22} {self.detail}  [{time.monotonic() - began:.1f} s]")

    def tell(self, detail: str) -> None:
        """Add to the line of this step."""
        self.detail += f"; {detail}" if self.detail else detail

    def progress(self, text: str) -> None:
        """Replace the moving line; without a terminal print one now and then."""
        seconds = time.monotonic() - self.start
        if self.live:
            self.output.write(f"{CLEAR}  {seconds:5.1f} s  {text}")
        elif time.monotonic() - self._shown > PLAIN_SECONDS:
            self._shown = time.monotonic()
            self.output.write(f"  {seconds:5.1f} s  {text}\n")
        self.output.flush()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._shown = time.monotonic()
        self.output.write(f"{CLEAR if self.live else ''}{text}\n")
        self.output.flush()
