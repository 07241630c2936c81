"""One replica's trouble is its own: the other is neither asked again nor told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.system import SECONDS, System
from tests.harness.sample import RECEIVED
from tests.harness.waiting import wait_until

COUNTRY_WITH_A_PLACE = """
country("BA", "Alone").save()
Subdivision(code="BA-1", name="Place", type="Place", country_id="BA").save()
"""
PLACE_ALONE = 'Subdivision.cqrs.bulk_update(Subdivision.objects.filter(pk="BA-1"), name="Place, renamed")'
BRING_PARENT = 'Country.objects.get(pk="BA").save()'
ORPHAN = """
INSERT INTO shop_subdivision (iso_code, title, kind, country_id, cqrs_revision, cqrs_updated)
VALUES ('BB-1', 'Orphan', 'Place', 'BB', 0, now())
"""
DELETE = 'Country.objects.get(pk="BB").delete()'


@contextmanager
def search_hears(system: System, batches: int) -> Iterator[None]:
    """Inside, search gets so many batches, and has no trouble with them. By the clock nothing is sent again."""
    log = system.log("search")
    with system.without_beat("atlas", "search"):
        before = log.count(RECEIVED)
        yield
        system.wait_idle("search")
        assert log.count(RECEIVED) - before == batches
        assert system.letters_of("search") == []


def wait_for_retries(system: System, number: int) -> None:
    """Until shop has tried a letter so many times again."""
    wait_until(
        lambda: (
            len([row for row in system.letters_of("shop") if row[0] == "retrying"]) == 1
            and system.rows("shop", f"SELECT 1 FROM celery_cqrs_letter WHERE attempts > {number}")
        ),
        what=f"{number} retries at shop",
        seconds=SECONDS,
    )


def test_a_child_whose_parent_is_missing_waits_at_its_replica_alone_and_comes_with_it(system: System) -> None:
    """Shop has no beat meanwhile: who applies the country wakes the worker for the place."""
    system.run_code(COUNTRY_WITH_A_PLACE)
    system.converge()
    system.execute("shop", "DELETE FROM shop_subdivision WHERE iso_code = 'BA-1'")
    system.execute("shop", "DELETE FROM shop_country WHERE iso_code = 'BA'")
    with system.without_beat("shop"):
        with search_hears(system, batches=0):
            system.run_code(PLACE_ALONE)
            system.wait_for("shop", "SELECT 1 FROM celery_cqrs_letter WHERE state = 'waiting'")
            waiting = ("waiting", "subdivision", "BA-1", "country 'BA' is not here (field country)")
            assert system.letters_of("shop") == [waiting]
            wait_until(lambda: not system.outbox(), what="a confirmed letter", seconds=SECONDS)
        with search_hears(system, batches=1):
            system.run_code(BRING_PARENT)
            system.wait_for("shop", "SELECT 1 FROM shop_subdivision WHERE iso_code = 'BA-1'")
            system.converge()


def test_a_child_whose_parent_never_comes_is_a_dead_letter_that_names_it(system: System) -> None:
    system.run_code('country("BD", "Forgotten").save()')
    system.run_code('Subdivision(code="BD-1", name="Place", type="Place", country_id="BD").save()')
    system.converge()
    system.execute("shop", "DELETE FROM shop_subdivision WHERE iso_code = 'BD-1'")
    system.execute("shop", "DELETE FROM shop_country WHERE iso_code = 'BD'")
    system.run_code(PLACE_ALONE.replace("BA-1", "BD-1"))
    system.wait_for("shop", "SELECT 1 FROM celery_cqrs_letter WHERE state = 'waiting'")
    system.execute("shop", "UPDATE celery_cqrs_letter SET waits_until = now(), not_before = now()")
    system.wait_for("shop", "SELECT 1 FROM celery_cqrs_letter WHERE state = 'dead'")
    assert system.letters_of("shop")[0][3].startswith("country 'BD' is not here (field country), and was waited for")
    system.run_code(BRING_PARENT.replace("BA", "BD"))
    system.wait_for("shop", "SELECT 1 FROM shop_country WHERE iso_code = 'BD'")
    system.manage("shop", "cqrs_dead_letters", "retry", "--reason", "country 'BD' is not here")
    system.converge()


def test_a_delete_that_one_replica_must_retry_reaches_the_other_once(system: System) -> None:
    system.run_code('country("BB", "Doomed").save()')
    system.converge()
    system.execute("shop", ORPHAN)
    with search_hears(system, batches=1):
        system.run_code(DELETE)
        wait_for_retries(system, 2)
        assert [row[1:3] for row in system.letters_of("shop")] == [("country", "BB")]
        assert system.rows("search", "SELECT 1 FROM search_countrydocument WHERE alpha_2 = 'BB'") == []
        wait_until(lambda: not system.outbox(), what="an empty outbox", seconds=SECONDS)
        system.execute("shop", "DELETE FROM shop_subdivision WHERE iso_code = 'BB-1'")
        system.converge()


def test_a_replica_that_is_held_up_does_not_hold_up_the_other(system: System) -> None:
    with system.occupied("shop"):
        system.run_code('country("BC", "Only at search for now").save()')
        seconds = system.wait_for("search", "SELECT 1 FROM search_countrydocument WHERE alpha_2 = 'BC'")
        assert system.rows("shop", "SELECT 1 FROM shop_country WHERE iso_code = 'BC'") == []
    print(f"search had it {seconds:.1f} s after the commit, while shop was stuck")
    system.converge()
