"""What the processes say: log files that grow while they are read."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness.waiting import wait_until


class Log:
    """A growing log file. ``mark`` remembers its end, so that a later wait sees only what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0

    def text(self) -> str:
        """All of it."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def mark(self) -> None:
        """What stands here now is old."""
        self.position = self.path.stat().st_size if self.path.exists() else 0

    def news(self) -> str:
        """What came after the mark."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(self.position)
            return file.read().decode(errors="replace")

    def wait(self, pattern: str, *, seconds: float = 60) -> re.Match[str]:
        """The first match after the mark; raises TooLateError."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(re.finditer(pattern, self.news()))
            return bool(found)

        wait_until(look, what=f"{pattern!r} in {self.path.name}", seconds=seconds)
        return found[0]

    def count(self, pattern: str) -> int:
        """How many lines match."""
        return sum(1 for _ in re.finditer(pattern, self.text()))

    def total(self, pattern: str) -> int:
        """The sum of the numbers that the pattern's group catches."""
        return sum(int(number.replace(",", "")) for number in re.findall(pattern, self.text()))

    def tail(self, lines: int = 15) -> str:
        """The last lines."""
        return "\n".join(self.text().splitlines()[-lines:])
