"""Workers of a replica, or of the master, that are killed at the worst moment: nothing is lost, nothing goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.system import SECONDS, System
from tests.harness.databases import held
from tests.harness.sample import READY, RECEIVED
from tests.harness.waiting import wait_until

MANY_COMMITS = """
for number in range({first}, {first} + 60):
    change = Country.objects.get(pk="FR")
    change.official_name = f"version {{number}}"
    change.save()
"""


class Watch:
    """Every revision of a country that shop was ever seen to have."""

    def __init__(self, system: System, code: str) -> None:
        self.system = system
        self.sql = f"SELECT cqrs_revision, full_title FROM shop_country WHERE iso_code = '{code}'"
        self.revisions: list[int] = []
        self.look()

    def look(self) -> str:
        """Note the revision; the full title that goes with it."""
        [(revision, title)] = self.system.rows("shop", self.sql)
        self.revisions.append(revision)
        return str(title)

    def only_forward(self) -> bool:
        """Whether no look saw less than the one before, and the last saw more than the first."""
        self.look()
        return self.revisions == sorted(self.revisions) and self.revisions[0] < self.revisions[-1]


@contextmanager
def its_confirmation_cut_off(system: System) -> Iterator[None]:
    """Shop has applied a change and nobody hears of it; inside its worker lives, with no way to the broker."""
    with system.occupied("shop"):
        system.ways["shop"].refuse()
    system.log("shop").wait(r"applied 1 country", seconds=SECONDS)
    system.log("shop").wait("not sent to atlas", seconds=SECONDS)
    yield


def revive(system: System, service: str) -> None:
    """Kill the worker, open its way again, and wait for the next one."""
    system.kill_worker(service)
    system.ways[service].forward()
    system.log(service).wait(READY, seconds=SECONDS)


def test_a_batch_that_its_worker_did_not_survive_is_applied_by_the_next_one(system: System) -> None:
    with system.occupied("shop"):
        system.kill_worker("shop")
        assert len(system.outbox("queue = 'shop'")) == 1
    system.log("shop").wait(READY, seconds=SECONDS)
    system.log("shop").wait(r"applied 1 country", seconds=SECONDS)
    system.converge()


def test_a_worker_killed_between_apply_and_confirm_takes_its_change_again_as_a_duplicate(system: System) -> None:
    with its_confirmation_cut_off(system):
        only_shop = [("shop", "country", "IS")]
        wait_until(lambda: system.outbox() == only_shop, what="search's confirmation", seconds=SECONDS)
        before = system.rows("shop", "SELECT * FROM shop_country WHERE iso_code = 'IS'")
        revive(system, "shop")
    system.log("shop").wait(r"skipped country IS revision \d+: duplicate", seconds=SECONDS)
    system.converge()
    assert system.rows("shop", "SELECT * FROM shop_country WHERE iso_code = 'IS'") == before


def test_an_unconfirmed_change_that_has_gone_stale_never_takes_its_row_back(system: System) -> None:
    with its_confirmation_cut_off(system):
        watch = Watch(system, "IS")
        system.manage("atlas", "story", "one")
        revive(system, "shop")
    wait_until(lambda: watch.look() and not system.outbox(), what="an empty outbox", seconds=SECONDS)
    assert watch.only_forward()
    system.converge()


def test_a_row_under_way_while_workers_die_again_and_again_only_moves_forward(system: System) -> None:
    watch = Watch(system, "FR")
    for first in (0, 60):
        system.log("shop").mark()
        writer = system.start_code(MANY_COMMITS.format(first=first))
        system.log("shop").wait(RECEIVED, seconds=SECONDS)
        system.restart_worker("shop")
        watch.look()
        assert writer.wait(SECONDS) == 0
    wait_until(lambda: watch.look() == "version 119", what="the last version", seconds=SECONDS)
    assert watch.only_forward()
    system.converge()


def test_a_master_worker_killed_with_a_confirmation_in_its_hands_hears_of_it_again(system: System) -> None:
    with system.without_beat("atlas"), held(system.databases["atlas"], "celery_cqrs_outbox"):
        confirming = r"Task celery_cqrs\.confirm\[(\S+)\] received"
        system.log("atlas").mark()
        system.log("shop").mark()
        unconfirmed = {"outbox_ids": [1], "outbox": "default", "sent_at": "2026-01-01T00:00:00+00:00"}
        system.send("atlas", "celery_cqrs.confirm", {"v": 1, "queue": "shop", "batches": [unconfirmed]})
        task = system.log("atlas").wait(confirming, seconds=SECONDS)[1]
        system.kill_worker("atlas")
        assert not re.search(rf"{task}\] succeeded", system.log("atlas").text())
    system.log("atlas").wait(READY, seconds=SECONDS)
    system.manage("atlas", "story", "one")
    system.converge()


def test_a_worker_that_ends_in_peace_confirms_what_it_has_applied(system: System) -> None:
    with system.without_beat("atlas"):  # or the change is sent again while the worker takes its time to end
        system.log("shop").mark()
        with system.occupied("shop"):
            system.supervisor.programs["shop-worker"].process.terminate()
            system.log("shop").wait("Warm shutdown")
        wait_until(lambda: not system.outbox(), what="an empty outbox", seconds=SECONDS)
        system.log("shop").wait(READY, seconds=SECONDS)
    system.converge()
