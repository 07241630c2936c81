"""A work for the background thread that can be watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from celery_cqrs.background import Background

SECONDS = 30


class Recorder:
    """A work that can be watched: each run is noted with its moment, ``answer`` says what it returns or raises."""

    def __init__(self) -> None:
        self.runs: list[float] = []
        self.threads: list[threading.Thread] = []
        self.released: list[threading.Thread] = []
        self.answer: Callable[[], float | None] = lambda: None
        self.news = threading.Condition()

    def work(self) -> float | None:
        with self.news:
            self.runs.append(time.monotonic())
            self.threads.append(threading.current_thread())
            self.news.notify_all()
        return self.answer()

    def release(self) -> None:
        with self.news:
            self.released.append(threading.current_thread())
            self.news.notify_all()

    def wait(self, runs: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.runs) >= runs, SECONDS), f"no run {runs}"

    def wait_for_end(self) -> None:
        with self.news:
            assert self.news.wait_for(lambda: self.released, SECONDS), "no release"
        self.released[0].join(SECONDS)

    def hang(self) -> threading.Event:
        """Have runs hang until the event that is returned is set."""
        go_on = threading.Event()

        def wait() -> None:
            go_on.wait(SECONDS)

        self.answer = wait
        return go_on


Make = Callable[[float], Background]
