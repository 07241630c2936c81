"""``manage.py cqrs_diff_master``: the first of three commands that find stale and missing rows of a replica."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from celery_cqrs.management.pipes import BATCH, PipeCommand
from celery_cqrs.transfer.choice import filtered, master_model, rows_of
from celery_cqrs.transfer.differences import list_revisions
from celery_cqrs.transfer.pipe import Header


class Command(PipeCommand):
    """The door to the rows of a master."""

    help = "Prints the keys and revisions of a master's rows, for cqrs_diff_replica on the other side of the pipe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_choice_arguments(parser, "master")

    def work(
        self,
        *,
        cqrs_id: str = "",
        filter: str | None = None,
        batch: int = BATCH,
        progress: bool = False,
        **options: Any,
    ) -> None:
        model = master_model(cqrs_id)
        rows = filtered(rows_of(model), filter)
        self.write_line(Header.now(cqrs_id).line)
        with self.counting(rows, progress) as shown:
            for pairs in list_revisions(model, rows, batch):
                if pairs:
                    self.write_list(pairs)
                shown.add(len(pairs))
