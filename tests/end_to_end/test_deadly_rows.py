"""A row that kills whoever applies it ends as a dead letter; what travels beside it arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.system import SECONDS, System
from tests.harness.waiting import wait_until

AMONG_NEIGHBOURS = """
with transaction.atomic():
    for number in range(3):
        country(f"C{number}", "deadly" if number == 1 else f"Neighbour {number}").save()
"""
HARMLESS = """
change = Country.objects.get(pk="C1")
change.name = "Harmless now"
change.save()
"""
NEIGHBOURS = "SELECT iso_code FROM shop_country WHERE title LIKE 'Neighbour _' ORDER BY 1"
BURIED = ("dead", "country", "C1", "It killed the worker three times. Find out why before you retry it.")


@pytest.fixture
def deadly(system: System) -> Iterator[System]:
    """The system; its worker forgets afterwards the tasks that never ended."""
    system.kills.mark()
    yield system
    system.restart_worker("shop")


def wait_for_burial(system: System) -> None:
    """Until shop has put the row aside and atlas knows. Its neighbours' confirmations may have died with a worker."""
    wait_until(
        lambda: system.letters_of("shop") == [BURIED] and not system.outbox("pk = 'C1'"),
        what="the dead letter of C1, confirmed",
        seconds=2 * SECONDS,
    )


def test_a_row_that_kills_its_worker_is_put_aside_after_three_kills_and_holds_up_nobody(deadly: System) -> None:
    with deadly.without_beat("atlas"):
        deadly.run_code('country("C1", "deadly").save()')
        deadly.manage("atlas", "story", "one")
        wait_for_burial(deadly)
    assert deadly.kills.news().split() == ["C1"] * 3
    deadly.run_code(HARMLESS)
    deadly.converge()


def test_the_neighbours_of_a_deadly_row_in_its_batch_are_applied(deadly: System) -> None:
    with deadly.without_beat("atlas"):
        deadly.run_code(AMONG_NEIGHBOURS)
        wait_for_burial(deadly)
        both = [("C0",), ("C2",)]
        wait_until(lambda: deadly.rows("shop", NEIGHBOURS) == both, what="the neighbours", seconds=SECONDS)
    assert set(deadly.kills.news().split()) == {"C1"}
    print(f"{len(deadly.kills.news().split())} kills for a deadly row among 3")
    deadly.run_code(HARMLESS)
    deadly.converge()
