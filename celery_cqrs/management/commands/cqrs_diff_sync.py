"""``manage.py cqrs_diff_sync``: the last of three commands that mend stale and missing rows of a replica."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from celery_cqrs.management.arguments import portion
from celery_cqrs.management.pipes import BATCH, PipeCommand
from celery_cqrs.management.progress import Progress, add_progress_argument
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.transfer.choice import master_model
from celery_cqrs.transfer.differences import sync_keys
from celery_cqrs.transfer.pipe import read_keys


class Command(PipeCommand):
    """The door to sending rows again."""

    help = "Reads what cqrs_diff_replica prints; sends the present state of these rows to the queue of that replica."
    how_to_go_on = "What was captured so far is sent. Run the whole pipe again for the rest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", "-b", type=portion, default=BATCH, help=f"keys looked up at a time ({BATCH})")
        add_progress_argument(parser)

    def work(self, *, batch: int = BATCH, progress: bool = False, **options: Any) -> None:
        header, lines = self.open_pipe(MasterRegistry)
        model, queue = master_model(header.cqrs_id), header.wanted_queue
        synced = 0
        with Progress(self.stderr, shown=progress) as shown:
            for keys in read_keys(lines):
                for start in range(0, len(keys), batch):
                    some = keys[start : start + batch]
                    done, strange = sync_keys(model, some, queue)
                    self.pass_over(strange)
                    synced += done.captured
                    shown.add(len(some))
        self.write_line(f"Done!\n{synced} instance(s) synced.\n{shown.done} instance(s) processed.")
