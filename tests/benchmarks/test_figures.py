"""The figures can be measured, on both brokers; so few rows say nothing about speed.

What differs from one of these by a parameter only is not run here, nor on the second broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks.arena import Arena, arena
from tests.benchmarks.figures import FIGURES, Figure, Target
from tests.benchmarks.picture import draw
from tests.benchmarks.reconcile import compare, their_pipes
from tests.benchmarks.result import HEADER, Result, row, write
from tests.benchmarks.turns import take_turns
from tests.benchmarks.watch import RunInvalid, watch

MOST_ROWS = {"ours": 5_000, "theirs": 60, "limit": 1_000}
OF_A_KIND = (
    "apply_backlog",
    "apply_hooks",
    "bulk_create",
    "save_commit",
    "end_to_end_bulk",
    "latency_relay_p50",
    "memory_worker",
    "bulk_load",
    "sync",
    "reconcile_bytes",
)
CHOSEN = [figure for figure in FIGURES if figure.name in OF_A_KIND]
STRAY = """
    INSERT INTO account (id, number, owner, email, currency, balance, active, opened_at, cqrs_revision, cqrs_updated)
    VALUES (999, '', '', '', '', 0, true, now(), 0, now())
"""
pytestmark = [pytest.mark.servers("postgres"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def on_redis() -> Iterator[Arena]:
    with arena("redis") as place:
        yield place


@pytest.mark.servers("redis")
@pytest.mark.parametrize("figure", CHOSEN, ids=lambda figure: figure.name)
def test_a_figure_is_measured_for_both_sides_and_the_limit_and_written_down(figure, on_redis, tmp_path):
    measure_and_write(figure, on_redis, tmp_path)


@pytest.mark.servers("redis")
def test_two_equal_tables_are_compared_by_either_side(on_redis):
    assert min(their_pipes(on_redis.theirs, MOST_ROWS["theirs"])) > 0
    assert compare(on_redis.ours, MOST_ROWS["ours"]).seconds > 0


@pytest.mark.servers("rabbitmq")
def test_a_figure_is_measured_on_rabbitmq_too(tmp_path):
    with arena("rabbitmq") as on_rabbitmq:
        measure_and_write(CHOSEN[0], on_rabbitmq, tmp_path)


def measure_and_write(figure: Figure, place: Arena, tmp_path: Path) -> None:
    rows = {side: min(count // 10, MOST_ROWS[side]) for side, count in figure.rows.items()}
    turns = take_turns(figure.measures(place, rows), 1, print)
    result = Result(figure, figure.name, rows, turns)
    write(tmp_path / "bench.json", [result], {"commit": "of a test"})
    written = json.loads((tmp_path / "bench.json").read_text())
    measured = [*figure.measures(place, rows), *(["ratio"] if "theirs" in rows else [])]
    assert all(written[figure.name][side] > 0 for side in measured) and "ours" in measured
    assert written[figure.name].keys() >= {"ours", "theirs", "limit", "ratio", "unit", "rows", "runs"}
    assert written[figure.name]["rows"] == rows
    assert written["about"] == {"commit": "of a test"}
    assert f" {result.ratio:.1f} " in result.line if "theirs" in rows else " – " in result.line


@pytest.mark.servers("redis")
def test_a_run_that_leaves_other_rows_than_were_sent_is_no_figure(on_redis):
    side = on_redis.theirs
    side.empty()
    side.publish(side.record(60))
    with side.connect() as connection, side.worker("replica", 1) as worker:
        connection.execute(STRAY)
        with pytest.raises(RunInvalid, match="61 rows arrived of 60"):
            watch(side, 60, worker)


def test_a_table_line_stands_under_its_headings():
    assert row(*HEADER).index("theirs") > row(*HEADER).index("ours")
    assert Result(FIGURES[0], "apply_backlog_redis", {}, None, "no rows").line.endswith("INVALID: no rows")


def test_a_target_says_what_ours_is_compared_with_and_in_which_direction():
    assert Target(50, "theirs").is_met(500, 10)
    assert not Target(50, "theirs").is_met(499, 10)
    assert Target(2, "limit", at_most=True).is_met(2, 1)
    assert not Target(2, "limit", at_most=True).is_met(2.1, 1)
    assert str(Target(10_000)) == "≥ 10,000"
    assert str(Target(2.2, "limit", at_most=True)) == "≤ 2.2 × limit"


def test_pictures_are_drawn_of_what_was_measured(tmp_path):
    measured = {"growth_1000": {"ours": 500.0, "load": [1]}, "growth_10000": {"ours": 1_000.0, "load": [2]}}
    (drawn,) = draw({**measured, "apply_backlog_redis": {"invalid": "no"}, "about": {"commit": "abcdef01"}}, tmp_path)
    bars = [part for part in ElementTree.parse(drawn).getroot() if part.get("fill") == "#3b6ea5"]
    assert [int(bar.get("width")) for bar in bars] == [180, 360]
    assert "commit abcdef0, load of the machine 1 to 2" in drawn.read_text()
