"""Whole tables sent again beside live traffic: page by page, each in a transaction that notes how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from celery_cqrs import transport
from celery_cqrs.database.pages import is_last
from celery_cqrs.exceptions import NothingToResume, SyncStalled
from celery_cqrs.master.concerned import queues_of
from celery_cqrs.master.sync import Page, Synced, next_page, sync_page
from celery_cqrs.positions import Position, name_of
from celery_cqrs.serialize import key_text, key_value
from celery_cqrs.transfer.throttle import LOOK_SECONDS, PATIENCE_SECONDS, Clock, Rate, Window

Tell = Callable[[Synced], None]


@dataclass(frozen=True)
class Wish:
    """Which rows are to be sent again, and to whom: ``queue`` alone, or everybody that gets ``model``.

    ``choice`` is the text of the filter, which names the run. ``at_once`` captures without waiting for replicas.
    """

    model: Any
    rows: QuerySet[Any]
    choice: str
    queue: str | None = None
    size: int = 10_000
    rows_per_second: float | None = None
    at_once: bool = False

    @property
    def run(self) -> str:
        """The name of this run among the positions."""
        return name_of("cqrs_sync", self.model.CQRS_ID, self.choice, self.queue)

    @property
    def using(self) -> str:
        """The database of the rows, and of their outbox."""
        return str(self.rows.db)


def find_position(wish: Wish) -> Position:
    """Where a run of ``wish`` that was stopped has come to. Raises NothingToResume."""
    position = Position.find(wish.using, wish.run)
    if position is None:
        raise NothingToResume
    return position


def sync_table(wish: Wish, position: Position | None, tell: Tell, clock: Clock | None = None) -> Window | None:
    """Capture a SYNC of every row behind ``position``; ``tell`` hears of every page after its commit, and of waiting.

    Returns what is under way, None where nothing has to wait. Raises SyncStalled when a replica confirms nothing.
    """
    clock = clock or Clock()
    key = None if position is None else key_value(wish.model, position.place)
    done = 0 if position is None else position.done
    window, rate = _window(wish, clock), Rate(wish.rows_per_second, clock)
    while not is_last(wish.rows, key):  # asked before anything is waited for
        page = next_page(wish.rows, key, rate.at_most(_size(wish, window, tell, clock)))
        if page is None:
            break
        done, key = done + len(page.keys), page.keys[-1]
        tell(_commit(wish, page, done))
        if window is not None:
            window.note_captured(len(page.keys))
        rate.spend(len(page.keys))
    Position.forget(wish.using, wish.run)
    return window


def wait_until_confirmed(window: Window, tell: Tell, clock: Clock | None = None) -> None:
    """Return when every row is confirmed. Raises SyncStalled."""
    clock = clock or Clock()
    window.look()
    while window.waiting:
        _wait(window, tell, clock)


def _commit(wish: Wish, page: Page, done: int) -> Synced:
    with transaction.atomic(using=wish.using):
        synced = sync_page(wish.model, page, wish.queue)
        Position.note(wish.using, wish.run, key_text(wish.model, page.keys[-1]), done)
    return synced


def _window(wish: Wish, clock: Clock) -> Window | None:
    """A transport for tests delivers when it is told to: nobody confirms while this runs."""
    if transport.current().synchronous:
        return None
    return Window(wish.using, wish.model.CQRS_ID, queues_of(wish.model, wish.queue), clock)


def _size(wish: Wish, window: Window | None, tell: Tell, clock: Clock) -> int:
    """How many rows the next page may have, once there is room for a good part of a batch."""
    if window is None or wish.at_once:
        return wish.size
    if window.waiting:
        window.look()
    while window.room < window.worthwhile:
        _wait(window, tell, clock)
    return min(wish.size, window.room)


def _wait(window: Window, tell: Tell, clock: Clock) -> None:
    if window.still_seconds > PATIENCE_SECONDS:
        raise SyncStalled(queue=window.slowest, seconds=PATIENCE_SECONDS, rows=window.waiting)
    tell(Synced(0, 0))
    clock.pause(LOOK_SECONDS)
    window.look()
