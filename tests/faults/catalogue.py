"""The faults: each is done to a running arena for some seconds, and undone when its function returns."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.arena import WRITERS, Arena
from tests.faults.writer import AFTER_COMMIT, MID_TRANSACTION
from tests.harness.sample import REPLICAS
from tests.harness.waiting import pace

REDIS, RABBITMQ = "redis", "rabbitmq"
BOTH = (REDIS, RABBITMQ)
KILL_EVERY_SECONDS = 3.0
KILL_WRITER_SECONDS = 1.0
LIFE_BYTES = 1_000  # about six commits in the ledger
BLIND_SECONDS = 3.0


@dataclass(frozen=True)
class Fault:
    """``inject(arena, seconds)`` makes it, lasts about so long, and leaves all parts back in place."""

    name: str
    brokers: tuple[str, ...]
    inject: Callable[[Any, float], None]
    seconds: float = 20
    publish: str = "commit"


def stopped(arena: Arena, seconds: float) -> None:
    """The broker ends in peace and comes back: Redis empty, RabbitMQ with its durable queues."""
    arena.server.stop()
    _pass(seconds)
    arena.restart_server()


def killed(arena: Arena, seconds: float) -> None:
    """SIGKILL, then back with what was on disk."""
    arena.server.kill()
    _pass(seconds)
    arena.restart_server()


def killed_with_file(arena: Any, seconds: float) -> None:
    """Redis has an append-only file, is killed, and reads it when it starts again: up to a second is missing."""
    arena.server.persist(True)
    killed(arena, seconds)
    arena.server.persist(False)


def flushed(arena: Any, seconds: float) -> None:
    """FLUSHALL while messages wait, again and again: the replicas' workers are frozen before."""
    for _ in _until(seconds):
        with _frozen(arena):
            _pass(BLIND_SECONDS)
            arena.server.client.flushall()
        _pass(BLIND_SECONDS)


def queue_deleted(arena: Any, seconds: float) -> None:
    """The replicas' queues go with all that waits in them; their consumers are told so."""
    for _ in _until(seconds):
        with _frozen(arena):
            _pass(BLIND_SECONDS)
            arena.broker.delete_queues(REPLICAS)
        _pass(BLIND_SECONDS)


def paused(arena: Any, seconds: float) -> None:
    """CLIENT PAUSE: Redis takes connections and commands and answers nothing."""
    arena.server.client.client_pause(int(seconds * 1000), all=True)
    _pass(seconds)


def hung(arena: Arena, seconds: float) -> None:
    """No byte moves, either way, on any connection, and new ones are accepted."""
    for way in arena.all_ways():
        way.freeze()
    _pass(seconds)
    _open(arena)


def answers_lost(arena: Arena, seconds: float) -> None:
    """What is sent arrives, and no answer comes back before the end: the broker has what nobody knows it has."""
    for way in arena.all_ways():
        way.freeze_answers()
    _pass(seconds)
    _open(arena)


def half_open(arena: Arena, seconds: float) -> None:
    """Open connections are dead and nobody is told, new ones hang; after the end who sends on a dead one is cut."""
    for way in arena.all_ways():
        way.abandon()
        way.freeze()
    _pass(seconds)
    _open(arena)


def relay_killed(arena: Arena, seconds: float) -> None:
    """The only publisher is SIGKILLed every three seconds."""
    for _ in _until(seconds):
        _pass(KILL_EVERY_SECONDS)
        arena.kill_program("atlas-relay")


def worker_killed(arena: Arena, seconds: float) -> None:
    """The replicas' workers are SIGKILLed every three seconds, with what they have in their hands."""
    for _ in _until(seconds):
        _pass(KILL_EVERY_SECONDS)
        for name in REPLICAS:
            arena.kill_program(f"{name}-worker")


def writer_killed(arena: Arena, seconds: float) -> None:
    """The web processes die: in mid-transaction, between COMMIT and our hook, and at any moment."""
    moments = itertools.cycle([MID_TRANSACTION, AFTER_COMMIT, ""])
    written = {number: arena.written(number) for number in WRITERS}
    for _ in _until(seconds):
        for number, before in written.items():
            if arena.written(number) - before > LIFE_BYTES:  # it has lived since it was killed
                _kill_writer(arena, number, next(moments))
                written[number] = arena.written(number)
        _pass(KILL_WRITER_SECONDS)


def _kill_writer(arena: Arena, number: int, moment: str) -> None:
    order = arena.control / f"die-{number}"
    if order.exists():  # the last one is still to be carried out
        return
    if moment:
        order.write_text(moment)
    else:
        arena.kill_program(f"writer-{number}")


def _pass(seconds: float) -> None:
    pace(time.monotonic() + seconds)


def _until(seconds: float) -> Iterator[int]:
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield turn
        turn += 1


@contextmanager
def _frozen(arena: Arena) -> Iterator[None]:
    with ExitStack() as stack:
        for name in REPLICAS:
            stack.enter_context(arena.supervisor.paused(f"{name}-worker"))
        yield


def _open(arena: Arena) -> None:
    for way in arena.all_ways():
        way.forward()


FAULTS = (
    Fault("stopped", BOTH, stopped),
    Fault("killed, append-only file", (REDIS,), killed_with_file, seconds=10),
    Fault("killed", (RABBITMQ,), killed, seconds=10),
    Fault("FLUSHALL", (REDIS,), flushed, seconds=18),
    Fault("queue deleted", (RABBITMQ,), queue_deleted, seconds=18),
    Fault("CLIENT PAUSE", (REDIS,), paused),
    Fault("path hangs", BOTH, hung),
    Fault("path one way", BOTH, answers_lost),
    Fault("half-open", BOTH, half_open),
    Fault("relay killed", BOTH, relay_killed, publish="relay"),
    Fault("writer killed", BOTH, writer_killed),
    Fault("workers killed", BOTH, worker_killed),
    Fault("stopped for 60 s", BOTH, stopped, seconds=60),
)
