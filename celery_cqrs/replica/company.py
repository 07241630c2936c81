"""Who works in this process at a time: threads in company, or one suspect message alone.

What kills a process ends the work of all its threads. So a message whose start is counted alone has nobody beside it,
and is blamed for no kill but its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Company:
    """Lets many in together, or one alone, who goes before those that ask later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._want_solitude = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """For work that is not counted, or counted with others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._want_solitude)
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For work that may kill this process, and is then to be the only one that can have done so."""
        with self._changed:
            self._want_solitude += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside += 1
        try:
            yield
        finally:
            self._leave(solitude=1)

    def _leave(self, solitude: int = 0) -> None:
        with self._changed:
            self._inside -= 1
            self._want_solitude -= solitude
            self._changed.notify_all()


company = Company()
os.register_at_fork(after_in_child=company.__init__)  # type: ignore[misc]  # nobody is inside there yet
