"""Long commands show how far they are, and end with a sentence that says how to go on."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management.base import CommandError, OutputWrapper
from django.db import OperationalError

from celery_cqrs.management.progress import CLEAR, Progress, stopping_well


class Terminal(StringIO):
    """Says that a person looks at it."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def progress(clock: Clock, out: StringIO, *arguments: Any, **options: Any) -> Progress:
    return Progress(OutputWrapper(out), *arguments, clock=clock, **options)


def test_the_line_has_rows_share_rate_and_time_to_go(clock: Clock) -> None:
    shown = progress(clock, StringIO(), 50_000)
    clock.seconds = 4
    shown.add(12_000)
    assert shown.line == "12,000 of 50,000 rows (24 %), 3,000/s, 0:00:13 to go"


def test_an_unknown_total_leaves_share_and_time_out(clock: Clock) -> None:
    shown = progress(clock, StringIO(), unit="keys")
    clock.seconds = 2
    shown.add(5)
    assert shown.line == "5 keys, 2/s"


def test_rows_of_an_earlier_run_count_for_the_share_and_not_for_the_rate(clock: Clock) -> None:
    shown = progress(clock, StringIO(), 1_000, done=500)
    clock.seconds = 10
    shown.add(100)
    assert shown.line == "600 of 1,000 rows (60 %), 10/s, 0:00:40 to go"


@pytest.mark.parametrize(("total", "line"), [(0, "0 of 0 rows, 0/s"), (7, "0 of 7 rows (0 %), 0/s")])
def test_nothing_done_yet_divides_nothing_by_nought(clock: Clock, total: int, line: str) -> None:
    assert progress(clock, StringIO(), total).line == line


def test_a_terminal_has_one_line_that_changes_and_stays_at_the_end(clock: Clock) -> None:
    out = Terminal()
    with progress(clock, out, 160) as shown:
        for _ in range(16):
            clock.seconds += 0.125
            shown.add(10)
    drawn = out.getvalue()
    assert drawn.count(CLEAR) == 9  # every second time, and the end
    assert drawn.endswith("160 of 160 rows (100 %), 80/s, 0:00:00 to go\n")
    assert drawn.count("\n") == 1


def test_a_long_line_is_cut_so_that_the_terminal_does_not_break_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    with progress(clock, out, 1_000_000):
        pass
    assert max(len(one) for one in out.getvalue().replace(CLEAR, "\n").splitlines()) == 19


def test_elsewhere_lines_come_now_and_then_when_asked_for(clock: Clock) -> None:
    out = StringIO()
    with progress(clock, out, 40, shown=True) as shown:
        for _ in range(4):
            clock.seconds += 5
            shown.add(10)
    assert out.getvalue().splitlines() == [
        "20 of 40 rows (50 %), 2/s, 0:00:10 to go",
        "40 of 40 rows (100 %), 2/s, 0:00:00 to go",
        "40 of 40 rows (100 %), 2/s, 0:00:00 to go",
    ]


def test_elsewhere_nothing_is_shown_that_was_not_asked_for(clock: Clock) -> None:
    out = StringIO()
    with progress(clock, out, 40) as shown:
        clock.seconds += 60
        shown.add(10)
        shown.say("Line 7 was refused.")
    assert out.getvalue() == "Line 7 was refused.\n"


def test_a_sentence_takes_the_place_of_the_line_and_the_line_comes_back(clock: Clock) -> None:
    out = Terminal()
    with progress(clock, out, 4) as shown:
        shown.say("Line 7 was refused.")
    drawn = out.getvalue().split(CLEAR)
    assert drawn == ["", "Line 7 was refused.\n", "0 of 4 rows (0 %), 0/s", "0 of 4 rows (0 %), 0/s\n"]


@pytest.mark.parametrize(
    ("fault", "sentence", "code"),
    [
        (KeyboardInterrupt(), "Stopped. Say --resume to go on.", 130),
        (OperationalError("no\nroute"), "A database went away: no route. Say --resume to go on.", 2),
    ],
)
def test_what_stops_a_command_says_how_to_go_on(fault: BaseException, sentence: str, code: int) -> None:
    with pytest.raises(CommandError) as caught, stopping_well("Say --resume to go on."):
        raise fault
    assert (str(caught.value), caught.value.returncode) == (sentence, code)
