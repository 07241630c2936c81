"""A worker keeps its database connection from batch to batch, and gets over one that died meanwhile."""

from __future__ import annotations

from tests.end_to_end.system import SECONDS, System
from tests.end_to_end.workers import changed_worker

NAME = "cqrs-kept"
MINE = f"FROM pg_stat_activity WHERE application_name = '{NAME}' AND datname = current_database()"
SESSIONS = f"SELECT pid {MINE}"
END = f"SELECT pg_terminate_backend(pid) {MINE}"
RENAME = 'row = Country.objects.get(pk="IS"); row.name = "Name {number}"; row.save()'
ARRIVED = "SELECT 1 FROM shop_country WHERE title = 'Name {number}'"


def rename(system: System, number: int) -> set[int]:
    """Have a change applied at shop; the sessions that its worker has then."""
    system.run_code(RENAME.format(number=number))
    system.wait_for("shop", ARRIVED.format(number=number))
    system.wait_idle("shop")
    return {pid for (pid,) in system.rows("shop", SESSIONS)}


def test_batches_share_a_connection_and_one_that_died_costs_a_new_one_and_nothing_else(system: System) -> None:
    with changed_worker(system, "shop", PGAPPNAME=NAME):
        first = rename(system, 1)
        assert first
        assert first <= rename(system, 2) <= rename(system, 3)
        system.execute("shop", END)
        assert not first & rename(system, 4)
        assert system.letters_of("shop") == []
    system.converge(seconds=SECONDS)
