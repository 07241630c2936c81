"""``manage.py cqrs_diff_replica``: the second of three commands that find stale and missing rows of a replica."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from celery_cqrs import conf
from celery_cqrs.management.pipes import PipeCommand
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.transfer.choice import replica_model
from celery_cqrs.transfer.differences import differing
from celery_cqrs.transfer.pipe import read_pairs


class Command(PipeCommand):
    """The door to what differs on a replica."""

    help = "Reads what cqrs_diff_master prints; prints keys whose rows are stale or missing here, for cqrs_diff_sync."

    def work(self, **options: Any) -> None:
        header, lines = self.open_pipe(ReplicaRegistry)
        model = replica_model(header.cqrs_id)
        self.write_line(replace(header, queue=conf.service.queue).line)
        for pairs in read_pairs(lines):
            found = differing(model, pairs)
            self.pass_over(found.strange)
            if found.plain:
                self.write_list(found.plain)
            self.tell_keys("PK to resync", set(found.plain))
