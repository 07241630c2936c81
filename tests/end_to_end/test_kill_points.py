"""A process that is killed, or fails, at any labelled point: nothing is lost, nothing is done twice, no trace stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.end_to_end.system import System
from tests.end_to_end.workers import Points, points
from tests.harness.waiting import wait_until

SECONDS = 150
APPLYING = {
    "before apply": "received",
    "in the transaction, before the write": "before the write of shop_country",
    "in the transaction, after the write": "after the write of shop_country",
    "after apply, before confirm": "applied",
}
CONFIRMING = {
    "with the confirmation in hand": "before celery_cqrs.confirm",
    "in the transaction of the confirmation": "after delete celery_cqrs_outbox",
    "after the commit of the confirmation": "confirmed",
}
FAILING = {
    "before the letter": "before insert celery_cqrs_letter",
    "after the letter, before its commit": "after insert celery_cqrs_letter",
    "after the letter, before the look for its parent": "waiting",
}
RELEASING = {
    "between the commit of the parent and the release": "applied",
    "in the release": "after update celery_cqrs_letter",
}
RETRYING = {
    "between wake-up and lease": "before celery_cqrs.retry",
    "between lease and apply": "before the write of shop_subdivision",
    "after apply, before the letter goes": "before delete celery_cqrs_letter",
}
COUNTING = {
    "in the count of the attempt": "after insert celery_cqrs_attempt",
    "between the attempt row and the work": "after update celery_cqrs_attempt",
    "between the work and the end of its count": "before delete celery_cqrs_attempt",
}
HOWS = ("kill", "raise")
RENAME = 'change = Country.objects.get(pk="IS")\nchange.name = "Iceland, renamed"\nchange.save()'
RENAME_FOR_THE_THIRD_TIME = """
from django.db import connection
with transaction.atomic():
    Country.objects.get(pk="IS").save()
    connection.cursor().execute("UPDATE celery_cqrs_outbox SET attempts = 2")
"""
RENAME_PLACE = 'Subdivision.cqrs.bulk_update(Subdivision.objects.filter(pk="DE-1"), name="Place, renamed")'
NOW = "UPDATE celery_cqrs_letter SET not_before = now()"
LATER = """
UPDATE celery_cqrs_letter
SET state = 'retrying', parent = '', parent_key = '', waits_until = NULL, not_before = now() + interval '1 hour'
"""
OLD_GRAVE = """
INSERT INTO celery_cqrs_tombstone (side, cqrs_id, pk, revision, deleted_at)
VALUES ('replica', 'country', 'QQ', 1, now() - interval '1 year')
"""
REFUSE_LETTERS = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no letters today'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON celery_cqrs_letter FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ALLOW_LETTERS = "DROP FUNCTION IF EXISTS refuse CASCADE"


pytestmark = pytest.mark.timeout(600)


def each(points: Mapping[str, str]) -> list[Any]:
    """Each point with both ways to go; but what receivers of other signals than Django's own raise is caught."""
    both = re.compile("write|insert|update|delete")
    return [(point, how) for point, label in points.items() for how in HOWS if how == "kill" or both.search(label)]


@pytest.fixture(scope="module")
def armed(running: System) -> Iterator[Points]:
    """Points at shop and atlas, for all tests of this module."""
    with points(running, "shop", "atlas") as armed:
        yield armed
    for way in running.ways.values():
        way.forward()


@pytest.fixture
def arm(system: System, armed: Points) -> Iterator[Callable[..., None]]:
    """Arms a point; in the end nothing may be left at shop but equal rows."""
    system.log("shop").mark()
    yield armed.arm
    armed.disarm()


def parent_away(system: System) -> None:
    """Take country DE and its place away from shop, so that a change of the place cannot be applied there."""
    system.execute("shop", "DELETE FROM shop_subdivision WHERE country_id = 'DE'")
    system.execute("shop", "DELETE FROM shop_country WHERE iso_code = 'DE'")


def parent_back(system: System) -> None:
    """Have atlas send it."""
    system.run_code('Country.objects.get(pk="DE").save()')


def wait_for_letter(system: System, state: str = "waiting") -> None:
    """Until shop keeps the place's change."""
    wait_until(
        lambda: [row[:3] for row in system.letters_of("shop")] == [(state, "subdivision", "DE-1")],
        what=f"a {state} letter of DE-1",
        seconds=SECONDS,
    )


def ends_well(system: System, *, applied: str = "country") -> None:
    """Equal rows, no letter, no open attempt, and no second write of a change that was committed."""
    system.converge(seconds=SECONDS)
    assert system.log("shop").news().count(f"applied 1 {applied}\n") <= 1


@pytest.mark.parametrize(("point", "how"), each(APPLYING))
def test_a_change_survives_the_worker_that_applies_it(
    system: System, armed: Points, arm: Callable[..., None], point: str, how: str
) -> None:
    arm("shop", APPLYING[point], how)
    system.run_code(RENAME)
    armed.wait(APPLYING[point], seconds=SECONDS)
    ends_well(system)


@pytest.mark.parametrize(("point", "how"), each(CONFIRMING))
def test_a_change_survives_the_master_worker_that_takes_its_confirmation(
    system: System, armed: Points, arm: Callable[..., None], point: str, how: str
) -> None:
    arm("atlas", CONFIRMING[point], how)
    system.run_code(RENAME)
    armed.wait(CONFIRMING[point], seconds=SECONDS)
    ends_well(system)


@pytest.mark.parametrize(("point", "how"), each(FAILING))
def test_a_failure_is_kept_though_its_worker_is_not(
    system: System, armed: Points, arm: Callable[..., None], point: str, how: str
) -> None:
    parent_away(system)
    arm("shop", FAILING[point], how)
    system.run_code(RENAME_PLACE)
    armed.wait(FAILING[point], seconds=SECONDS)
    wait_for_letter(system)
    wait_until(lambda: not system.outbox("queue = 'shop'"), what="its confirmation", seconds=SECONDS)
    parent_back(system)
    ends_well(system, applied="subdivision")


@pytest.mark.parametrize(("point", "how"), each({**RELEASING, **RETRYING}))
def test_a_letter_survives_the_worker_that_releases_or_retries_it(
    system: System, armed: Points, arm: Callable[..., None], point: str, how: str
) -> None:
    place = {**RELEASING, **RETRYING}[point]
    parent_away(system)
    with system.without_beat("atlas", "shop"):  # or the change is sent again and applied without its letter
        system.run_code(RENAME_PLACE)
        wait_for_letter(system)
        wait_until(lambda: not system.outbox(), what="the letter, confirmed", seconds=SECONDS)
        arm("shop", place, how)
        parent_back(system)
        armed.wait(place, seconds=SECONDS)
    wait_until(lambda: due(system) or not system.letters_of("shop"), what="the end of its lease", seconds=SECONDS)
    ends_well(system, applied="subdivision")


@pytest.mark.parametrize("how", HOWS)
def test_a_letter_survives_the_worker_that_leases_it(
    system: System, armed: Points, arm: Callable[..., None], how: str
) -> None:
    parent_away(system)
    with system.without_beat("atlas", "shop"):
        system.run_code(RENAME_PLACE)
        wait_for_letter(system)
        system.execute("shop", LATER)  # it waits for nothing but its time, so that nobody releases it
        parent_back(system)
        wait_until(lambda: not system.outbox(), what="letter and parent, confirmed", seconds=SECONDS)
        arm("shop", "after update celery_cqrs_letter", how)
        system.execute("shop", NOW)
    armed.wait("after update celery_cqrs_letter", seconds=SECONDS)
    wait_until(lambda: due(system) or not system.letters_of("shop"), what="the end of its lease", seconds=SECONDS)
    ends_well(system, applied="subdivision")


def due(system: System) -> bool:
    """Let the lease of a killed worker end at once."""
    system.execute("shop", NOW)
    return bool(system.letters_of("shop"))


@pytest.mark.parametrize(("point", "how"), each(COUNTING))
def test_a_suspect_survives_the_worker_that_counts_it(
    system: System, armed: Points, arm: Callable[..., None], point: str, how: str
) -> None:
    arm("shop", COUNTING[point], how)
    system.run_code(RENAME_FOR_THE_THIRD_TIME)
    armed.wait(COUNTING[point], seconds=SECONDS)
    ends_well(system)
    if how == "kill":  # a worker that lives knows what it could not forget, and does so later
        system.wait_for("shop", "SELECT 1 WHERE NOT EXISTS (SELECT * FROM celery_cqrs_attempt)")


@pytest.mark.parametrize("how", HOWS)
def test_a_prune_that_did_not_end_is_made_up_for(
    system: System, armed: Points, arm: Callable[..., None], how: str
) -> None:
    system.execute("shop", OLD_GRAVE)
    arm("shop", "before delete celery_cqrs_tombstone", how)
    system.send("shop", "celery_cqrs.prune", None)
    armed.wait("before delete celery_cqrs_tombstone")
    system.send("shop", "celery_cqrs.prune", None)
    wait_until(
        lambda: not system.rows("shop", "SELECT 1 FROM celery_cqrs_tombstone WHERE pk = 'QQ'"),
        what="the old tombstone to go",
        seconds=SECONDS,
    )
    ends_well(system)


def test_a_letter_that_the_database_refuses_leaves_its_change_unconfirmed_until_it_does_not(system: System) -> None:
    parent_away(system)
    try:
        system.log("shop").mark()
        system.execute("shop", REFUSE_LETTERS)
        system.run_code(RENAME_PLACE)
        system.log("shop").wait("no letters today", seconds=SECONDS)
        assert system.outbox("queue = 'shop'") == [("shop", "subdivision", "DE-1")]
        assert system.letters_of("shop") == []
    finally:
        system.execute("shop", ALLOW_LETTERS)
    wait_for_letter(system)
    parent_back(system)
    system.converge(seconds=SECONDS)
