"""A daemon thread that works when it is woken: started lazily, ended when idle, forgotten by forked children."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from multiprocessing.util import Finalize
from time import monotonic

EXIT_SECONDS = 2.0
CRASH_SECONDS = 1.0
FORK_SECONDS = 2.0


class Background:
    """Runs ``work`` in a thread of its own after each ``wake``.

    ``work`` returns the seconds after which it wants to run again, or None when it is done until the next wake.
    ``release`` is called in the thread before it ends: after ``idle_seconds`` without work, and at exit. A process that
    exits waits up to ``EXIT_SECONDS`` for what is due, and never longer.
    """

    def __init__(
        self, name: str, work: Callable[[], float | None], release: Callable[[], None], idle_seconds: float
    ) -> None:
        self._name = name
        self._work = work
        self._release = release
        self._idle_seconds = idle_seconds
        self._reset()
        os.register_at_fork(before=self._pause, after_in_parent=self._go_on, after_in_child=self._reset)
        atexit.register(self._leave)

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._at_work = threading.Lock()
        self._paused = False
        self._due: float | None = None
        self._leaves_at: float | None = None
        self._thread: threading.Thread | None = None
        self._leaving = False
        self._has_finalizer = False
        self._rest_seconds = 0.0
        self._ending = threading.Event()

    def may_go_on(self) -> bool:
        """Whether there is time for another portion of work: always, but for the second half of an exit."""
        return self._leaves_at is None or monotonic() < self._leaves_at - EXIT_SECONDS / 2

    def wake(self, after_seconds: float = 0) -> None:
        """Have ``work`` run soon; costs the caller a lock, and the first time the start of the thread."""
        with self._condition:
            due = monotonic() + after_seconds
            self._due = due if self._due is None else min(due, self._due)
            self._add_finalizer()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            self._condition.notify()

    def rest(self, seconds: float) -> None:
        """In ``work``: run it again after so long at the earliest, whoever wakes; a process that ends does not wait."""
        self._rest_seconds = seconds

    def finish(self, seconds: float = EXIT_SECONDS) -> None:
        """Let the thread do at once what it was woken for and end; waits at most ``seconds``."""
        with self._condition:
            thread = self._thread
            self._leaves_at = monotonic() + seconds
            self._ending.set()
            self._condition.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)
        self._leaves_at = None
        self._ending.clear()

    def _add_finalizer(self) -> None:
        """Children that ``multiprocessing`` forks run its finalizers, and nothing of ``atexit``; others run both."""
        if not self._has_finalizer:
            Finalize(None, self._leave, exitpriority=0)
            self._has_finalizer = True

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self.finish()

    def _run(self) -> None:
        crashed = True
        try:
            while self._wait_for_work():
                with self._at_work:
                    again_seconds = self._work()
                if again_seconds is not None and self._leaves_at is None:
                    self.wake(again_seconds)
                if self._rest_seconds:
                    self._ending.wait(self._rest_seconds)
                    self._rest_seconds = 0.0
            crashed = False
        finally:
            if crashed:
                self._start_again()
            with self._at_work:
                self._release()

    def _pause(self) -> None:
        """Before a fork: let the work in hand end, or the child inherits the locks that drivers hold meanwhile."""
        mine = threading.current_thread() is self._thread
        self._paused = not mine and self._at_work.acquire(timeout=FORK_SECONDS)

    def _go_on(self) -> None:
        if self._paused:
            self._at_work.release()

    def _start_again(self) -> None:
        """Work that raised ends its thread, with a traceback for people to see; another one goes on after a rest."""
        with self._condition:
            self._thread = None
        if self._leaves_at is None:
            self.wake(CRASH_SECONDS)

    def _wait_for_work(self) -> bool:
        """True when work is due, False when the thread is to end: decided under the lock, so that no wake is lost."""
        idle_at = monotonic() + self._idle_seconds
        with self._condition:
            while True:
                now = monotonic()
                if self._due is not None and (self._due <= now or self._leaves_at):
                    self._due = None
                    return True
                if self._leaves_at or (self._due is None and now >= idle_at):
                    self._thread = None
                    return False
                self._condition.wait((self._due or idle_at) - now)
