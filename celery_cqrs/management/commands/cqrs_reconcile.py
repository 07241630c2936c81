"""``manage.py cqrs_reconcile``: compare masters with their replicas now, and repair what differs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celery_cqrs import conf, testing, transport
from celery_cqrs.database import tables
from celery_cqrs.management.arguments import seconds
from celery_cqrs.management.progress import Progress, add_progress_argument, stopping_well
from celery_cqrs.models import Outbox, Reconciliation
from celery_cqrs.reconcile import conversation, waiting
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.registry import MasterRegistry

REMAINS, UNANSWERED = 1, 3
GOES_ON = "What has begun goes on in the workers; its end is to be seen in the admin, and by manage.py cqrs_status."
LIFT = (
    "Rows of a replica are ahead of the master, which was perhaps restored from a backup: to raise the master's "
    "revisions above theirs, manage.py cqrs_reconcile --lift."
)
COLUMNS = ("cqrs_id", "queue", "state", "rows", *Reconciliation.KINDS, "repaired", "bytes")


class Command(BaseCommand):
    """The door to comparisons; the work is done by workers of this service and of its replicas."""

    help = (
        "Compares the rows of this master with those of its replicas, and repairs what differs. Exits with 1 while "
        "drift remains, with 3 when a replica, or this service's own worker, gives no answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--cqrs-id", "-cid", nargs="+", default=[], metavar="ID", help="only these models")
        parser.add_argument("--queue", "-q", nargs="+", default=[], metavar="QUEUE", help="only these replicas")
        parser.add_argument("--deep", action="store_true", help="compare contents, not only revisions")
        parser.add_argument("--dry-run", action="store_true", help="repair nothing")
        parser.add_argument("--lift", action="store_true", help="raise revisions above those of replicas")
        parser.add_argument("--force", action="store_true", help="delete extra rows, however many they are")
        parser.add_argument("--timeout", type=seconds, default=60, help="seconds without a sign of life to wait (60)")
        add_progress_argument(parser)

    def handle(self, *args: Any, progress: bool, timeout: float, **options: Any) -> None:
        """Begin, wait, print, judge."""
        begun = _begin(options)
        with stopping_well(GOES_ON), Progress(self.stderr, shown=progress) as shown:
            for ended in waiting.watch(begun, timeout):
                shown.done = sum(run.master_rows for run in ended)
                shown.look()
                _deliver()
            left = _await_repairs(begun, timeout)
        for line in _table([run for _, run in begun]):
            self.stdout.write(line)
        _judge([run for _, run in begun], left)


def _begin(options: dict[str, Any]) -> list[tuple[str, Reconciliation]]:
    ids, queues = options["cqrs_id"], options["queue"]
    for cqrs_id in ids:
        if cqrs_id not in MasterRegistry.models:
            raise CommandError(f"Wrong CQRS ID: {cqrs_id}!")
    for queue in queues:
        if queue not in conf.master.replicas:
            known = ", ".join(conf.master.replicas)
            raise CommandError(f'Wrong queue: {queue}! CQRS["master"]["replicas"] has {known}.')
    wish = Wish(options["deep"], not options["dry_run"], options["lift"], options["force"])
    aliases = tables.aliases(Outbox)
    begun = [(using, run) for using in aliases for run in conversation.start(using, wish, ids, queues, by_hand=True)]
    if not begun:
        raise CommandError("There is nothing to compare: no replica gets these models.", returncode=UNANSWERED)
    return begun


def _deliver() -> None:
    """Nobody else delivers what the transport of tests holds."""
    if transport.current().synchronous:
        testing.publish(tables.aliases(Outbox))
        testing.deliver()


def _await_repairs(begun: waiting.Begun, timeout: float) -> int:
    """Repairs are messages; how many have not arrived in time."""
    ends_at = time.monotonic() + timeout
    while (left := waiting.on_their_way(begun)) and time.monotonic() < ends_at:
        time.sleep(waiting.LOOK_SECONDS)
        _deliver()
    return left


def _table(runs: list[Reconciliation]) -> Iterator[str]:
    lines = [COLUMNS, *(_cells(run) for run in runs)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(COLUMNS))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    yield from (f"{run.cqrs_id} with {run.queue}: {run.note}" for run in runs if run.note)


def _cells(run: Reconciliation) -> tuple[str, ...]:
    counts = [run.master_rows, *(getattr(run, kind) for kind in run.KINDS), run.repaired, run.bytes_exchanged]
    return run.cqrs_id, run.queue, run.state, *(f"{count:,}" for count in counts)


def _judge(runs: list[Reconciliation], on_their_way: int) -> None:
    """Exit with what the worst of the runs deserves; models that a replica cannot compare are no failure of others."""
    done = [run for run in runs if run.state == Reconciliation.COMPLETE]
    failed = [run for run in runs if run.state not in (Reconciliation.COMPLETE, Reconciliation.NOT_COMPARABLE)]
    if failed or not done:
        names = ", ".join(f"{run.cqrs_id} with {run.queue}" for run in failed or runs)
        raise CommandError(f"Not compared: {names}.", returncode=UNANSWERED)
    remaining = sum(run.remaining for run in runs)
    if remaining:
        hint = f" {LIFT}" if any(run.ahead and not run.lift for run in runs) else ""
        raise CommandError(f"{remaining:,} rows still differ.{hint}", returncode=REMAINS)
    if on_their_way:
        raise CommandError(f"{on_their_way:,} repairs are still on their way.", returncode=REMAINS)
