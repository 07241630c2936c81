"""Every figure can be measured, on both brokers; so few rows say nothing about speed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.arena import Arena, arena
from tests.benchmarks.figures import FIGURES, Figure
from tests.benchmarks.result import HEADER, Result, row, write
from tests.benchmarks.turns import take_turns
from tests.benchmarks.watch import RunInvalid, watch

FEW_ROWS = {"ours": 5_000, "theirs": 60, "limit": 1_000}
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
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_is_measured_for_both_sides_and_the_limit_and_written_down(figure, on_redis, tmp_path):
    measure_and_write(figure, on_redis, tmp_path)


@pytest.mark.servers("rabbitmq")
def test_a_figure_is_measured_on_rabbitmq_too(tmp_path):
    with arena("rabbitmq") as on_rabbitmq:
        measure_and_write(FIGURES[0], on_rabbitmq, tmp_path)


def measure_and_write(figure: Figure, place: Arena, tmp_path: Path) -> None:
    turns = take_turns(figure.measures(place, FEW_ROWS), 1, print)
    result = Result(figure, figure.name, FEW_ROWS, turns)
    write(tmp_path / "bench.json", [result], {"commit": "of a test"})
    written = json.loads((tmp_path / "bench.json").read_text())
    assert all(written[figure.name][side] > 0 for side in ("ours", "theirs", "limit", "ratio"))
    assert written[figure.name]["rows"] == FEW_ROWS
    assert written["about"] == {"commit": "of a test"}
    assert f"{written[figure.name]['ratio']:.1f}" in result.line


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
    assert Result(FIGURES[0], "apply_backlog_redis", FEW_ROWS, None, "no rows").line.endswith("INVALID: no rows")
