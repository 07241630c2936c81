"""Changes by the thousand, which share rows of the outbox, and kills of everybody who has a hand in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.system import SECONDS, System

TOUCH = '\nCountry.objects.get(pk="IS").save()  # with its document at search'
CREATE = """
parts = [Subdivision(code=f"IS-P{number}", name="Part", type="part", country_id="IS") for number in range(1_200)]
Subdivision.cqrs.bulk_create(parts)
"""
RENAME = 'Subdivision.cqrs.bulk_update(Subdivision.objects.filter(type="part"), name="Renamed")'
DELETE = 'Subdivision.objects.filter(type="part").delete()'
BUNDLES = "SELECT size FROM celery_cqrs_outbox WHERE kind = 'bundle'"
BY_RELAY = {"publish": "relay"}


@pytest.fixture
def parts(system: System) -> Iterator[None]:
    """Country IS has 1,200 subdivisions more, and both sides know them."""
    system.run_code(CREATE + TOUCH)
    try:
        system.converge()
        yield
    finally:
        system.run_code(DELETE + TOUCH)
        system.converge()


def test_bundles_survive_the_death_of_everybody_who_carries_them(system: System, parts: None) -> None:
    with system.without_beat("atlas"):
        system.run_code(RENAME + TOUCH, master=BY_RELAY)
        assert sum(size for (size,) in system.rows("atlas", BUNDLES)) == 1_200
        relay = system.start_process("atlas", "manage.py", "cqrs_relay", master=BY_RELAY)
        system.wait_for("atlas", f"{BUNDLES} AND sent_at IS NOT NULL")
        system.kill(relay)
    for service in ("shop", "search", "atlas"):
        system.kill_worker(service)
    system.converge()


def test_a_sync_of_many_rows_survives_the_death_of_those_who_apply_and_confirm_it(system: System, parts: None) -> None:
    system.execute("shop", "UPDATE shop_subdivision SET title = 'edited by hand' WHERE iso_code LIKE 'IS-P%'")
    sync = system.start_process("atlas", "manage.py", "cqrs_sync", "--cqrs-id=subdivision", "--filter={}", "--wait")
    system.wait_for("atlas", f"{BUNDLES} AND signal_type = 'SYNC' AND sent_at IS NOT NULL")
    for service in ("shop", "atlas"):
        system.kill_worker(service)
    assert sync.wait(SECONDS) == 0
    system.converge()
