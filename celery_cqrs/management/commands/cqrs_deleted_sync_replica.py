"""``manage.py cqrs_deleted_sync_replica``: the last of three commands that take away what a replica should not have."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from celery_cqrs.management.pipes import PipeCommand
from celery_cqrs.management.progress import Progress, add_progress_argument
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.transfer.choice import replica_model
from celery_cqrs.transfer.pipe import read_keys
from celery_cqrs.transfer.removal import Removed, remove


class Command(PipeCommand):
    """The door to deleting rows of a replica."""

    help = "Reads what cqrs_deleted_diff_master prints; deletes these rows here, unless they have changed since."
    how_to_go_on = "What was deleted so far stays so. Run the whole pipe again for the rest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_progress_argument(parser)

    def work(self, *, progress: bool = False, **options: Any) -> None:
        header, lines = self.open_pipe(ReplicaRegistry)
        header.demand_no_queue()
        model, read_at = replica_model(header.cqrs_id), header.read_at
        deleted = failed = 0
        with Progress(self.stderr, shown=progress) as shown:
            for keys in read_keys(lines):
                for removed in remove(model, keys, read_at):
                    self._tell(removed)
                    deleted += len(removed.deleted)
                    failed += len(removed.failed)
                    shown.add(len(removed.deleted))
        self.write_line(f"Done!\n{deleted} instance(s) deleted.")
        if failed:
            raise CommandError(f"{failed} rows, named above, could not be deleted; they are letters and tried again.")

    def _tell(self, removed: Removed) -> None:
        self.pass_over(removed.strange)
        self.tell_keys("PK left alone, changed since it was read", removed.changed)
        for key, reason in removed.failed:
            self.stderr.write(f"PK not deleted: {key!r}. {reason}", style_func=str)
