"""The thread behind the publisher and the confirmations: there when it is needed, gone when it is not."""

from __future__ import annotations

import threading
import time

import pytest

from tests.publisher.recorder import SECONDS, Make, Recorder


def test_no_thread_starts_before_the_first_wake(make: Make) -> None:
    before = set(threading.enumerate())
    make(60)
    assert set(threading.enumerate()) <= before


def test_a_wake_runs_the_work_in_another_thread(make: Make, recorder: Recorder) -> None:
    make(60).wake()
    recorder.wait(1)
    assert recorder.threads[0] is not threading.current_thread()


def test_the_thread_never_keeps_its_process_alive(make: Make, recorder: Recorder) -> None:
    make(60).wake()
    recorder.wait(1)
    assert recorder.threads[0].daemon


def test_later_wakes_use_the_same_thread(make: Make, recorder: Recorder) -> None:
    background = make(60)
    for run in range(1, 4):
        background.wake()
        recorder.wait(run)
    assert len(set(recorder.threads)) == 1


def test_an_idle_thread_releases_and_ends(make: Make, recorder: Recorder) -> None:
    make(0.01).wake()
    recorder.wait_for_end()
    assert recorder.released == recorder.threads
    assert not recorder.threads[0].is_alive()


def test_a_wake_after_the_end_starts_a_new_thread(make: Make, recorder: Recorder) -> None:
    background = make(0.01)
    background.wake()
    recorder.wait_for_end()
    background.wake()
    recorder.wait(2)
    assert recorder.threads[1] is not recorder.threads[0]


def test_a_wake_while_the_work_runs_is_not_forgotten(make: Make, recorder: Recorder) -> None:
    background, go_on = make(60), recorder.hang()
    background.wake()
    recorder.wait(1)
    background.wake()
    go_on.set()
    recorder.wait(2)
    assert len(recorder.runs) == 2


def test_many_wakes_while_the_work_runs_are_one_more_run(make: Make, recorder: Recorder) -> None:
    background, go_on = make(0.05), recorder.hang()
    background.wake()
    recorder.wait(1)
    for _ in range(100):
        background.wake()
    go_on.set()
    recorder.wait_for_end()
    assert len(recorder.runs) == 2


def test_work_that_asks_for_another_run_gets_it(make: Make, recorder: Recorder) -> None:
    answers = [0.02, 0.02, None]
    recorder.answer = lambda: answers.pop(0)
    make(60).wake()
    recorder.wait(3)
    assert recorder.runs[2] - recorder.runs[0] >= 0.04


def test_a_later_wake_waits_for_its_moment(make: Make, recorder: Recorder) -> None:
    start = time.monotonic()
    make(60).wake(0.1)
    recorder.wait(1)
    assert recorder.runs[0] - start >= 0.1


def test_an_earlier_wake_comes_before_a_later_one(make: Make, recorder: Recorder) -> None:
    background = make(60)
    background.wake(60)
    background.wake(0)
    recorder.wait(1)


def test_a_thread_that_waits_for_a_later_moment_is_not_idle(make: Make, recorder: Recorder) -> None:
    released_before: list[int] = []
    recorder.answer = lambda: released_before.append(len(recorder.released))
    make(0.01).wake(0.1)
    recorder.wait_for_end()
    assert released_before == [0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_raised_runs_again_at_the_next_wake(make: Make, recorder: Recorder) -> None:
    def fail() -> None:
        recorder.answer = lambda: None
        raise RuntimeError("a bug in a serializer")

    recorder.answer = fail
    background = make(60)
    background.wake()
    recorder.wait(1)
    recorder.threads[0].join(0.2)  # it may live on or end, as it likes
    background.wake()
    recorder.wait(2)


def test_wakes_during_a_rest_are_one_run_after_it(make: Make, recorder: Recorder) -> None:
    background = make(60)
    recorder.answer = lambda: background.rest(0.1)
    background.wake()
    recorder.wait(1)
    for _ in range(100):
        background.wake()
    recorder.wait(2)
    assert recorder.runs[1] - recorder.runs[0] >= 0.1


def test_a_process_that_ends_does_not_wait_for_a_rest(make: Make, recorder: Recorder) -> None:
    background = make(60)
    recorder.answer = lambda: background.rest(SECONDS)
    background.wake()
    recorder.wait(1)
    background.wake()
    background.finish(SECONDS)
    recorder.wait_for_end()
    assert len(recorder.runs) == 2 and recorder.runs[1] - recorder.runs[0] < SECONDS


def test_no_wake_is_lost_to_a_thread_that_is_just_ending(make: Make, recorder: Recorder) -> None:
    background = make(0)
    for _ in range(300):
        runs = len(recorder.runs)
        background.wake()
        recorder.wait(runs + 1)


def test_wakes_from_many_threads_share_one_thread(make: Make, recorder: Recorder) -> None:
    background, together = make(60), threading.Barrier(8)

    def wake() -> None:
        together.wait(SECONDS)
        background.wake()

    wakers = [threading.Thread(target=wake) for _ in range(8)]
    for waker in wakers:
        waker.start()
    for waker in wakers:
        waker.join(SECONDS)
    recorder.wait(1)
    assert len(set(recorder.threads)) == 1


def test_finishing_does_at_once_what_was_due_later(make: Make, recorder: Recorder) -> None:
    background = make(60)
    background.wake(60)
    background.finish()
    assert len(recorder.runs) == 1
    assert recorder.released == recorder.threads


def test_finishing_does_not_wait_for_work_that_hangs(make: Make, recorder: Recorder) -> None:
    background, go_on = make(60), recorder.hang()
    background.wake()
    recorder.wait(1)
    start = time.monotonic()
    background.finish(0.1)
    assert time.monotonic() - start >= 0.1
    assert recorder.threads[0].is_alive()
    go_on.set()


def test_finishing_does_not_chase_work_that_never_ends(make: Make, recorder: Recorder) -> None:
    recorder.answer = lambda: 0
    background = make(60)
    background.wake()
    recorder.wait(1)
    background.finish(SECONDS)
    assert not recorder.threads[0].is_alive()


def test_finishing_without_a_thread_does_nothing(make: Make, recorder: Recorder) -> None:
    make(60).finish()
    assert (recorder.runs, recorder.released) == ([], [])


def test_a_finished_background_can_be_woken_again(make: Make, recorder: Recorder) -> None:
    background = make(60)
    background.wake()
    background.finish()
    background.wake()
    recorder.wait(2)
