"""A short selection of ``make faults``: two processes commit all the time, and afterwards every row is compared."""

from __future__ import annotations

import pytest

from tests.faults.arena import Arena
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.trial import Schedule, run

SHORT = Schedule(calm_seconds=0.5, stretch=0.3, recovery_seconds=60)
CHOSEN = {
    "redis": ("FLUSHALL", "path one way", "writer killed"),
    "rabbitmq": ("stopped", "queue deleted", "writer killed"),
}
NEVER_WAITED_SECONDS = 5
CASES = [
    pytest.param(broker, fault, id=f"{broker}: {fault.name}", marks=pytest.mark.servers(broker, "postgres"))
    for broker, names in CHOSEN.items()
    for fault in FAULTS
    if fault.name in names
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("arena", "fault"), CASES, indirect=["arena"], scope="package")
def test_a_fault_loses_nothing_and_no_commit_waits_for_it(arena: Arena, fault: Fault) -> None:
    result = run(arena, fault, SHORT)
    print(result)
    assert result.losses == []
    assert result.changes
    assert result.slowest < NEVER_WAITED_SECONDS
