"""Changes by the thousand, which share rows of the outbox, and kills of everybody who has a hand in them."""

from __future__ import annotations

from tests.end_to_end.system import System

RENAME_ALL = """
from django.db.models import Value
from django.db.models.functions import Concat
print(Subdivision.cqrs.bulk_update(Subdivision.objects.all(), name=Concat("name", Value("{mark}"))))
"""
BUNDLES = "SELECT size FROM celery_cqrs_outbox WHERE kind = 'bundle'"
BY_RELAY = {"publish": "relay"}


def test_bundles_survive_the_death_of_everybody_who_carries_them(system: System) -> None:
    with system.without_beat("atlas"):
        system.run_code(RENAME_ALL.format(mark="!"), master=BY_RELAY)
        assert sum(size for (size,) in system.rows("atlas", BUNDLES)) > 1_000
        relay = system.start_process("atlas", "manage.py", "cqrs_relay", master=BY_RELAY)
        system.wait_for("atlas", f"{BUNDLES} AND sent_at IS NOT NULL")
        system.kill(relay)
    for service in ("shop", "search", "atlas"):
        system.kill_worker(service)
    system.converge()


def test_a_sync_of_all_rows_survives_the_death_of_the_workers_that_apply_it(system: System) -> None:
    system.run_code(RENAME_ALL.format(mark="?"), master=BY_RELAY)
    sync = system.start_process("atlas", "manage.py", "cqrs_sync", "--cqrs-id=subdivision", "--filter={}", "--wait")
    system.wait_for("atlas", f"{BUNDLES} AND signal_type = 'SYNC' AND sent_at IS NOT NULL")
    for service in ("shop", "atlas"):
        system.kill_worker(service)
    system.converge()
    assert sync.wait(60) == 0
