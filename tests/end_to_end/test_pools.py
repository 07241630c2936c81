"""Prefork, threads and solo: a worker that is asked to stop ends its batch; a row that kills it is put aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from tests.end_to_end.system import System
from tests.end_to_end.workers import changed_worker, stop_in_peace
from tests.harness.sample import READY
from tests.harness.waiting import wait_until

SECONDS = 240
MOST_KILLS = {"prefork": 3, "threads": 5, "solo": 5}
"""Three where the broker delivers again at once; copies that the impatient master sends meanwhile cost a few more."""
POOLS = {"prefork": ("-P", "prefork", "-c", "2"), "threads": ("-P", "threads", "-c", "2"), "solo": ("-P", "solo")}
DEADLY = """
with transaction.atomic():
    for number in range(500):
        name = "deadly" if number == 250 else "Neighbour"
        country(f"{chr(65 + number // 26)}{'abcdefghijklmnopqrstuvwxyz'[number % 26]}", name).save()
"""
FORGET = """
with transaction.atomic():
    for one in Country.objects.all():
        if one.pk[1].islower():
            one.delete()
"""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=POOLS)
def pool(system: System, request: pytest.FixtureRequest) -> Iterator[str]:
    """Shop's worker, with this pool."""
    with changed_worker(system, "shop", *POOLS[request.param]):
        yield request.param


def test_a_worker_that_is_asked_to_stop_ends_its_batch_and_confirms_it(system: System, pool: str) -> None:
    with system.supervisor.paused("atlas-beat"):  # or the change is sent again while the worker takes its time
        system.log("shop").mark()
        with system.occupied("shop"):
            stop_in_peace(system, "shop")
        wait_until(lambda: not system.outbox(), what="an empty outbox", seconds=SECONDS)
        system.log("shop").wait(READY, seconds=SECONDS)
    assert system.log("shop").news().count("received 1 messages from atlas") == 1
    system.converge(seconds=SECONDS)


def test_the_neighbours_of_a_deadly_row_are_applied_whatever_the_pool(system: System, pool: str) -> None:
    system.kills.mark()
    with system.supervisor.paused("atlas-beat") if pool == "prefork" else nullcontext():  # the broker delivers again
        system.run_code(DEADLY)
        seconds = wait_until(lambda: buried(system), what="the dead letter", seconds=SECONDS)
    wait_until(lambda: not system.outbox("queue = 'shop'"), what="all confirmations", seconds=SECONDS)
    kills = len(system.kills.news().split())
    print(f"{pool}: put aside after {kills} kills and {seconds:.1f} s")
    assert kills <= MOST_KILLS[pool]
    assert system.rows("shop", "SELECT COUNT(*) FROM shop_country WHERE title = 'Neighbour'") == [(499,)]
    system.run_code(FORGET)
    system.converge(seconds=SECONDS)


def buried(system: System) -> Any:
    """The one dead letter, once it is there."""
    return [row for row in system.letters_of("shop") if row[0] == "dead" and "killed the worker" in row[3]]
