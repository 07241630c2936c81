"""``manage.py cqrs_deleted_diff_replica``: the first of three commands that find rows a replica should not have."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from celery_cqrs.management.pipes import BATCH, PipeCommand
from celery_cqrs.transfer.choice import filtered, replica_model, rows_of
from celery_cqrs.transfer.differences import list_keys
from celery_cqrs.transfer.pipe import Header


class Command(PipeCommand):
    """The door to the rows of a replica."""

    help = "Prints the keys of a replica's rows, for cqrs_deleted_diff_master on the other side of the pipe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_choice_arguments(parser, "replica")

    def work(
        self,
        *,
        cqrs_id: str = "",
        filter: str | None = None,
        batch: int = BATCH,
        progress: bool = False,
        **options: Any,
    ) -> None:
        model = replica_model(cqrs_id)
        rows = filtered(rows_of(model), filter)
        self.write_line(Header.now(cqrs_id).line)
        with self.counting(rows, progress) as shown:
            for keys in list_keys(model, rows, batch):
                self.write_list(keys)
                shown.add(len(keys))
