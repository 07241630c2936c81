"""One long run: writers, a storm, appliers side by side; then silence, and every row is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import F

from celery_cqrs import tasks, testing
from celery_cqrs.database.faults import is_infrastructure
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Letter, Outbox
from celery_cqrs.replica import confirm as confirmations
from celery_cqrs.transport.base import RETRY, Envelope
from tests.convergence.master import Life
from tests.convergence.storm import StormyTransport, Weather
from tests.convergence.tally import Tally
from tests.convergence.verdict import wrongs_of
from tests.convergence.watch import watched
from tests.publish.conftest import let_pass

TRANSACTIONS_A_ROUND = 100
PATIENCE_ROUNDS = 30
PUBLISHED = 0.25
SETTINGS = {
    "transport": "tests.convergence.storm.StormyTransport",
    "master": {"replicas": {"replica": "__all__"}, "publish": "relay"},
    "replica": {"CQRS_MAX_RETRIES": None},  # nobody gives up
}
ROUND_SECONDS = 1_000  # more than the longest wait before something is sent or tried again


@dataclass(frozen=True)
class Plan:
    """What to do: at least so many ``deliveries`` on the database ``using``, every choice made by ``seed``."""

    using: str
    seed: int
    deliveries: int
    appliers: int
    writers: int

    @classmethod
    def on(cls, using: str, seed: int, deliveries: int) -> Plan:
        """With as many workers as that database lets work side by side."""
        alone = connections[using].vendor == "sqlite"
        return cls(using, seed, deliveries, appliers=1 if alone else 4, writers=1 if alone else 2)


@dataclass
class Result:
    """What a run has shown. ``wrongs`` are sentences; there should be none."""

    plan: Plan
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0
    rounds: int = 0
    changes: int = 0
    conflicts: int = 0
    faults: int = 0
    lost: int = 0
    wrongs: list[str] = field(default_factory=list)


def run(plan: Plan) -> Result:
    """Live through the storm, then wait until all is confirmed, and judge."""
    result, start = Result(plan), time.monotonic()
    lives = [Life(Random(f"{plan.seed}/{number}"), plan.using) for number in range(plan.writers)]
    StormyTransport.begin(Random(plan.seed), Weather())
    with lasting_connections(plan.using), watched(plan.using), result.tally:
        while result.tally.deliveries < plan.deliveries:
            _round(result, lives)
        last = result.rounds + PATIENCE_ROUNDS
        while not is_quiet() and result.rounds < last:
            _round(result, [])
        result.changes = sum(life.changes for life in lives)
        result.conflicts = sum(life.conflicts for life in lives)
        result.lost = StormyTransport.lost
        result.wrongs = wrongs_of(plan.using, result.tally)
    result.seconds = time.monotonic() - start
    return result


@contextmanager
def lasting_connections(using: str) -> Iterator[None]:
    """As long as their threads: connecting anew for every batch would take more time than all the rest."""
    options = connections.settings[using]
    before, options["CONN_MAX_AGE"] = options["CONN_MAX_AGE"], None
    try:
        yield
    finally:
        options["CONN_MAX_AGE"] = before


def is_quiet() -> bool:
    """Whether everything is confirmed, no letter is open and nothing is under way."""
    return not (Outbox.objects.exists() or Letter.objects.exists() or StormyTransport.afloat())


def pass_time(using: str) -> None:
    """So much time passes that everything is due, and beat has its tick: what was lost is sent again."""
    let_pass(ROUND_SECONDS, StormyTransport.afloat())
    StormyTransport.calm_down()
    Letter.objects.update(not_before=F("not_before") - timedelta(seconds=ROUND_SECONDS))
    tasks.drain_outbox()
    for _ in range(2 * Letter.objects.exists()):
        StormyTransport().send(Envelope(RETRY, "replica", {"v": 1}, "letters"))


def _round(result: Result, lives: Sequence[Life]) -> None:
    """Some transactions, and meanwhile deliveries; then everybody stops for a moment, in which time passes."""
    StormyTransport.open()
    plan = result.plan
    with ThreadPoolExecutor(plan.appliers + len(lives)) as threads:
        appliers = [threads.submit(_with_own_connections, _apply_all, result) for _ in range(plan.appliers)]
        try:
            _finish([threads.submit(_with_own_connections, _live, life) for life in lives])
        finally:
            StormyTransport.close()
        _finish(appliers)
    confirmations.flush()
    _apply_all(result)
    pass_time(plan.using)
    result.rounds += 1


def _live(life: Life) -> None:
    """Each writer publishes what it finds, its own or not, as relays do; what it leaves is found by beat."""
    for _ in range(TRANSACTIONS_A_ROUND):
        life.transaction()
        if life.chance.random() < PUBLISHED:
            drain_all(life.using)


def _apply_all(result: Result) -> None:
    """What a worker does. A task that fails because the database was busy is gone; nothing else may go wrong."""
    for envelope in iter(StormyTransport.take, None):
        result.tally.note(envelope)
        try:
            testing.deliver_one(envelope)
        except DatabaseError as error:
            if not is_infrastructure(error):
                raise
            result.faults += 1


def _finish(works: Sequence[Future[None]]) -> None:
    for work in works:
        work.result()


def _with_own_connections(work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(*arguments)
    finally:
        connections.close_all()
