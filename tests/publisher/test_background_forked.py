"""A process forks, as servers do to make their workers: the child has a background of its own."""

from __future__ import annotations

import os
import threading

from tests.publisher.recorder import SECONDS, Make, Recorder


def test_a_forked_child_starts_a_thread_of_its_own(make: Make, recorder: Recorder) -> None:
    background = make(60)
    background.wake()
    recorder.wait(1)
    child = os.fork()
    if not child:
        try:
            background.wake()
            recorder.wait(2)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_during_the_work_leaves_the_child_free(make: Make, recorder: Recorder) -> None:
    background, go_on = make(60), recorder.hang()
    background.wake()
    recorder.wait(1)
    child = os.fork()
    if not child:
        try:
            recorder.answer = lambda: None
            background.wake()
            recorder.wait(2)
            background.finish()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    go_on.set()
    assert code == 0


def test_a_fork_waits_for_the_work_in_hand(make: Make, recorder: Recorder) -> None:
    held = threading.Lock()  # as SQLite, an import or a driver hold theirs while the thread works

    def work() -> None:
        with held:
            time_to_fork.set()
            go_on.wait(SECONDS)

    background, time_to_fork, go_on = make(60), threading.Event(), threading.Event()
    recorder.answer = work
    background.wake()
    assert time_to_fork.wait(SECONDS)
    threading.Timer(0.2, go_on.set).start()
    child = os.fork()
    if not child:
        os._exit(int(held.locked()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
