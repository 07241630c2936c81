"""``cqrs_status --ping`` in a running system: a real answer, and an honest word when none comes."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.system import SECONDS, System
from tests.harness.sample import REPLICAS

HEALTHY = ("--max-lag", "600", "--max-silence", "600")


def status(system: System, service: str, *flags: str) -> dict[str, Any]:
    """What a service tells of itself; its command must end with 0."""
    document: dict[str, Any] = json.loads(system.manage(service, "cqrs_status", "--json", *flags))
    return document


def ended(system: System, *flags: str, **options: Any) -> tuple[int, str]:
    """The exit code of atlas's command and what it wrote."""
    system.commands.mark()
    code = system.start_process("atlas", "manage.py", "cqrs_status", *flags, **options).wait(2 * SECONDS)
    return code, " ".join(system.commands.news().split())


def test_a_ping_is_answered_by_every_replica(system: System) -> None:
    document = status(system, "atlas", "--ping", "--timeout", "60", *HEALTHY)
    trips = document["ping_seconds"]["default"]
    assert trips.keys() == set(REPLICAS) and all(0 < seconds < 60 for seconds in trips.values())
    assert document["problems"] == [] and document["roles"] == ["master"]
    print(", ".join(f"{queue} answers in {seconds * 1000:.0f} ms" for queue, seconds in trips.items()))


def test_a_replica_tells_of_itself_and_has_nobody_to_ping(system: System) -> None:
    document = status(system, "shop", "--ping", "--max-dead", "0", "--max-silence", "600")
    assert document["roles"] == ["replica"]
    assert (document["ping_seconds"], document["backlogs"]) == ({}, [])
    assert "retry" in document["silence_seconds"]


def test_a_replica_whose_worker_is_cut_off_does_not_answer_and_the_others_do(system: System) -> None:
    with system.without_beat("shop"):
        system.ways["shop"].freeze()
        code, said = ended(system, "--ping", "--timeout", "5")
        system.ways["shop"].forward()
    assert code == 1 and "Round trip default to shop: no answer in 5 s" in said
    assert "Round trip default to search: no answer" not in said
    system.converge()


def test_a_broker_that_is_away_is_told_at_once(system: System, own_way: Any) -> None:
    own_way.refuse()
    code, said = ended(system, "--ping", "--timeout", "600", way=own_way)
    assert code == 1 and "Round trip default to shop: The broker cannot be reached" in said


def test_a_change_that_could_not_be_published_is_told_by_another_process_until_it_could(
    system: System, own_way: Any
) -> None:
    with system.without_beat("atlas"):
        own_way.refuse()
        system.run_code('country("ST", "Waits").save()', way=own_way)
        system.wait_for("atlas", "SELECT 1 FROM celery_cqrs_destination WHERE failed_at IS NOT NULL", seconds=SECONDS)
        failures = {one["queue"]: one["failure"] for one in status(system, "atlas")["contacts"]}
        assert all("cannot be reached" in failures[queue] for queue in REPLICAS)
    system.converge()
    assert [one["failure"] for one in status(system, "atlas")["contacts"]] == ["", ""]
