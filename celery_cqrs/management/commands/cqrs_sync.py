"""``manage.py cqrs_sync``: the present state of many rows is sent to replicas again, beside live traffic."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from celery_cqrs.exceptions import CqrsError, NothingFound
from celery_cqrs.management.arguments import portion, rate
from celery_cqrs.management.progress import Progress, add_progress_argument, stopping_well
from celery_cqrs.master.concerned import queues_of
from celery_cqrs.master.sync import Synced
from celery_cqrs.transfer.choice import filtered, master_model, rows_of
from celery_cqrs.transfer.sync import Wish, find_position, sync_table, wait_until_confirmed

GO_ON = "What was captured is sent; add --resume to go on behind it."


class Command(BaseCommand):
    """The door to syncs; exits with 1 when nothing is found, or a row could not be captured."""

    help = "Sends the present state of rows to the replicas again: to all that get the model, or to one queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--cqrs-id", "-cid", required=True, help="CQRS_ID of the master model")
        parser.add_argument("--filter", "-f", metavar="JSON", help='which rows, such as {"id__gt": 1000}; {} is all')
        parser.add_argument("--queue", "-q", help="only to this replica queue")
        parser.add_argument(
            "--batch", "-b", type=portion, default=10_000, help="rows in a transaction, at most (10000)"
        )
        add_progress_argument(parser)
        parser.add_argument("--resume", action="store_true", help="go on where a stopped run of this sync has come to")
        parser.add_argument("--rate", type=rate, metavar="ROWS", help="at most so many rows a second")
        parser.add_argument("--at-once", action="store_true", help="capture all rows without waiting for replicas")
        parser.add_argument("--wait", action="store_true", help="end only when the replicas have confirmed every row")

    def handle(self, *args: Any, **options: Any) -> None:
        """Choose the rows, then send them."""
        try:
            with stopping_well(GO_ON):
                captured, processed = self._sync(options)
        except CqrsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Done!\n{captured} instance(s) synced.\n{processed} instance(s) processed.")

    def _sync(self, options: dict[str, Any]) -> tuple[int, int]:
        """How many rows were captured, of how many."""
        wish = wish_of(options)
        position = find_position(wish) if options["resume"] else None
        before = 0 if position is None else position.done
        captured: list[int] = []
        with Progress(self.stderr, wish.rows.count(), shown=options["progress"], done=before) as progress:
            tell = partial(_note, captured, progress)
            window = sync_table(wish, position, tell)
            if options["wait"] and window is not None:
                wait_until_confirmed(window, tell)
        return sum(captured), progress.done - before


def wish_of(options: dict[str, Any]) -> Wish:
    """What the options mean. Raises CqrsError for what cannot be meant."""
    model = master_model(options["cqrs_id"])
    if not queues_of(model, options["queue"]):
        raise CommandError(f'No replica gets {model.CQRS_ID!r}: see CQRS_PRODUCE, and CQRS["master"]["replicas"].')
    if not options["filter"]:
        raise CommandError(f"{NothingFound()} Say which rows: --filter '{{}}' is all of them.")
    return Wish(
        model=model,
        rows=_once(model, filtered(rows_of(model), options["filter"])),
        choice=options["filter"],
        queue=options["queue"],
        size=options["batch"],
        rows_per_second=options["rate"],
        at_once=options["at_once"],
    )


def _once(model: Any, rows: QuerySet[Any]) -> QuerySet[Any]:
    """A look-up in another table may find a row several times."""
    return rows_of(model).filter(pk__in=rows.values("pk")) if len(rows.query.alias_map) > 1 else rows


def _note(captured: list[int], progress: Progress, synced: Synced) -> None:
    captured[:] = [sum(captured) + synced.captured]
    progress.add(synced.captured + synced.left_out)
