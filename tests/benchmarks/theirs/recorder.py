"""A transport that writes what it would send to a file: the backlog that is published before each run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ujson
from dj_cqrs.transport import BaseTransport


class Recorder(BaseTransport):
    """One line a message: the body that both of their transports send."""

    file: Any = None

    @classmethod
    def produce(cls, payload: Any) -> None:
        """Write the line."""
        if cls.file is None:
            cls.file = Path(os.environ["BENCH_BACKLOG"]).open("a", encoding="utf-8")  # noqa: SIM115 (as long as the process)
        cls.file.write(ujson.dumps(payload.to_dict()) + "\n")
        cls.file.flush()
