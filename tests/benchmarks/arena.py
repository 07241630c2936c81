"""Where the figures are measured: both sides with their databases, one broker after the other, nothing left behind."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.benchmarks.environment import their_python
from tests.benchmarks.ours.side import Ours
from tests.benchmarks.queues import Queues
from tests.benchmarks.theirs.side import Theirs

T = TypeVar("T")


@dataclass(frozen=True)
class Arena:
    """Both sides on one broker; ``known`` is what was measured once for several figures."""

    ours: Ours
    theirs: Theirs
    known: dict[Any, Any] = field(default_factory=dict)

    def once(self, what: Hashable, measure: Callable[[], T]) -> T:
        """Measure now, or tell what was measured before."""
        if what not in self.known:
            self.known[what] = measure()
        return self.known[what]


@contextmanager
def arena(broker: str) -> Iterator[Arena]:
    """Databases and queues are made before and removed after; the logs stay when something went wrong."""
    scratch = Path(tempfile.mkdtemp(prefix="cqrs-bench-"))
    try:
        with Queues(broker) as queues:
            ours = Ours(scratch, Path(sys.executable), queues)
            theirs = Theirs(scratch, their_python(), queues)
            with ours, theirs:
                yield Arena(ours, theirs)
    except BaseException:
        print(f"the logs are in {scratch}", file=sys.stderr)
        raise
    shutil.rmtree(scratch)
