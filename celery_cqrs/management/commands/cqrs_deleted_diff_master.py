"""``manage.py cqrs_deleted_diff_master``: the second of three commands that find rows a replica should not have."""

from __future__ import annotations

from typing import Any

from celery_cqrs.management.pipes import PipeCommand
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.transfer.choice import master_model
from celery_cqrs.transfer.differences import unwanted
from celery_cqrs.transfer.pipe import read_keys


class Command(PipeCommand):
    """The door to what a master does not have."""

    help = "Reads what cqrs_deleted_diff_replica prints; prints keys without a row here, for cqrs_deleted_sync_replica."

    def work(self, **options: Any) -> None:
        header, lines = self.open_pipe(MasterRegistry)
        model = master_model(header.cqrs_id)
        header.demand_no_queue()
        self.write_line(header.line)
        for keys in read_keys(lines):
            found = unwanted(model, keys)
            self.pass_over(found.strange)
            if found.plain:
                self.write_list(found.plain)
            self.tell_keys("PK to delete", found.plain)
