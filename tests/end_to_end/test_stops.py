"""Workers that are stopped, recycled or without a database: what they have settled is told, the rest comes again."""

from __future__ import annotations

import json
import signal
from urllib.parse import urlsplit

import pytest
from celery import Celery
from kombu import Queue

from tests.end_to_end.system import System
from tests.end_to_end.test_bad_messages import APPLY, batch
from tests.end_to_end.workers import changed_worker
from tests.harness.proxy import Proxy
from tests.harness.sample import READY
from tests.harness.waiting import wait_until

SECONDS = 150
RENAME = 'change = Country.objects.get(pk="IS")\nchange.name = "Iceland, renamed"\nchange.save()'
GATHER_FOR_AN_HOUR = json.dumps({"replica": {"confirm_seconds": 3_600}})
pytestmark = pytest.mark.timeout(600)


def quit_softly(system: System) -> None:
    """What a container platform sends when it is told to stop with SIGQUIT, or SIGTERM remapped to it."""
    process = system.supervisor.programs["shop-worker"].process
    assert process is not None
    process.send_signal(signal.SIGQUIT)
    system.log("shop").wait("Initiating Soft Shutdown", seconds=SECONDS)


@pytest.mark.parametrize("limit", [("--max-tasks-per-child", "1"), ("--max-memory-per-child", "1")])
def test_a_child_that_is_recycled_tells_what_it_has_settled(system: System, limit: tuple[str, str]) -> None:
    recycled = changed_worker(system, "shop", *limit, CHANGED_CQRS=GATHER_FOR_AN_HOUR)
    with recycled, system.supervisor.paused("atlas-beat"):
        system.run_code(RENAME)
        wait_until(lambda: not system.outbox("queue = 'shop'"), what="its confirmation", seconds=SECONDS)
    system.converge(seconds=SECONDS)


def test_a_soft_shutdown_gives_the_batch_in_hand_its_time(system: System) -> None:
    with changed_worker(system, "shop", "--", "worker_soft_shutdown_timeout=10"):
        with system.supervisor.paused("atlas-beat"):
            with system.occupied("shop"):
                quit_softly(system)
            wait_until(lambda: not system.outbox(), what="an empty outbox", seconds=SECONDS)
            system.log("shop").wait(READY, seconds=SECONDS)
        assert system.log("shop").news().count("applied 1 country\n") == 1
    system.converge(seconds=SECONDS)


def test_a_batch_that_a_soft_shutdown_could_not_wait_for_comes_again(system: System) -> None:
    with changed_worker(system, "shop", "--", "worker_soft_shutdown_timeout=1"):
        with system.occupied("shop"):
            quit_softly(system)
            system.log("shop").wait(READY, seconds=SECONDS)
        system.converge(seconds=SECONDS)


def test_a_solo_worker_takes_one_batch_after_the_other_without_a_rest(system: System) -> None:
    count = 200
    with changed_worker(system, "shop", "-P", "solo"):
        system.log("shop").mark()
        with Celery("stranger", broker=system.broker.url, set_as_current=False) as app:
            for _ in range(count):
                app.send_task(APPLY, args=[batch()], queue=Queue("shop", no_declare=True), ignore_result=True)
        seconds = wait_until(
            lambda: len(system.log("shop").news().split(f"Task {APPLY}")) > 2 * count,
            what=f"the end of {count} batches",
            seconds=100,  # a rest of 10 s every few batches would be minutes
        )
    print(f"{count} empty batches took {seconds:.1f} s")
    system.converge(seconds=SECONDS)


def test_a_database_that_stays_away_ends_the_task_unconfirmed_and_never_in_a_loop(system: System) -> None:
    parts = urlsplit(system.databases["shop"].url)
    way = Proxy((parts.hostname or "127.0.0.1", parts.port or 5432))
    login, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{login}{at}127.0.0.1:{way.port}").geturl()
    try:
        with changed_worker(system, "shop", SHOP_DATABASE=url):
            with system.supervisor.paused("atlas-beat"), system.supervisor.paused("shop-beat"):
                pid, log = system.pid("shop"), system.log("shop")
                log.mark()
                way.refuse()
                system.run_code(RENAME)
                log.wait(rf"Task {APPLY}\[\S+\] raised", seconds=SECONDS)
                wait_until(lambda: not system.broker.waiting("shop"), what="an empty queue", seconds=SECONDS)
                assert log.news().count("received 1 messages from atlas") == 1
                assert system.outbox("queue = 'shop'") == [("shop", "country", "IS")]
                assert system.letters_of("shop") == []
                assert system.pid("shop") == pid
                way.forward()
            system.converge(seconds=SECONDS)
            assert system.pid("shop") == pid
    finally:
        way.close()
