"""``manage.py cqrs_bulk_dump``: a master's table as a file of JSON lines."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import router

from celery_cqrs import conf
from celery_cqrs.exceptions import CqrsError
from celery_cqrs.management.arguments import portion
from celery_cqrs.management.pipes import discard
from celery_cqrs.management.progress import Progress, add_progress_argument, stopping_well
from celery_cqrs.master.fields import differs_by_queue
from celery_cqrs.transfer.choice import master_model
from celery_cqrs.transfer.dump import dump_pages, rows_for_replicas
from celery_cqrs.transfer.files import STANDARD, writing

STOPPED = "There is no dump of this run; run it again."


class Command(BaseCommand):
    """The door to dumps; exits with 1 when a row could not be dumped."""

    help = "Writes all rows of a master model to a file that cqrs_bulk_load reads: the CQRS_ID, then a JSON line a row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--cqrs-id", "-c", required=True, help="CQRS_ID of the master model")
        output = "the file, <id>.dump when left out, - for standard output; .gz and .zst are compressed"
        parser.add_argument("--output", "-o", metavar="FILE", help=output)
        parser.add_argument("--batch", "-b", type=portion, default=10_000, help="rows read at a time (10000)")
        add_progress_argument(parser)
        parser.add_argument("--force", "-f", action="store_true", help="replace a file that exists")
        parser.add_argument("--queue", "-q", help="the replica queue, where CQRS_FIELDS says what each queue may see")

    def handle(self, *args: Any, cqrs_id: str, **options: Any) -> None:
        """Refuse what cannot be done, then dump."""
        name = options["output"] or f"{cqrs_id}.dump"
        with ending_well(name, self.stdout):
            model = self._chosen(cqrs_id, name, options)
            with writing(name, self.stdout) as stream:
                saved, rows, failed = self._dump(model, stream, options)
        self.stderr.write(f"Done!\n{saved} instance(s) saved.\n{rows} instance(s) processed.", style_func=str)
        if failed:
            raise CommandError(f"{failed} instance(s) could not be dumped; the file lacks them.")

    def _chosen(self, cqrs_id: str, name: str, options: dict[str, Any]) -> Any:
        """The model. Raises CommandError for what would overwrite a file, or tell a replica what it must not see."""
        model, queue = master_model(cqrs_id), options["queue"]
        if name != STANDARD and Path(name).exists() and not options["force"]:
            raise CommandError(f"File {name} exists!")
        if queue is not None and queue not in conf.queues_for(cqrs_id):
            raise CommandError(f"Queue {queue!r} does not get {cqrs_id!r}; known: {conf.queues_for(cqrs_id)}.")
        if queue is None and differs_by_queue(model):
            raise CommandError(f"CQRS_FIELDS of {cqrs_id!r} differs by queue: add --queue, for whom the dump is.")
        return model

    def _dump(self, model: Any, stream: Any, options: dict[str, Any]) -> tuple[int, int, int]:
        """How many rows were saved, read, and failed."""
        using = router.db_for_write(model)
        saved = rows = failed = 0
        stream.write(f"{model.CQRS_ID}\n".encode())
        with Progress(self.stderr, rows_for_replicas(model, using).count(), shown=options["progress"]) as progress:
            for page in dump_pages(model, using, options["batch"], options["queue"]):
                stream.write("".join(f"{text}\n" for text in page.texts).encode())
                for key, error in page.failed:
                    progress.say(f"Dump record failed for pk={key}: {type(error).__name__}: {error}")
                saved, rows, failed = saved + len(page.texts), rows + page.rows, failed + len(page.failed)
                progress.add(page.rows)
        return saved, rows, failed


@contextmanager
def ending_well(name: str, output: OutputWrapper) -> Iterator[None]:
    """What ends the dump early is one sentence, and a file that is not whole is not there."""
    try:
        with stopping_well(STOPPED):
            yield
            output.flush()
    except BrokenPipeError as error:
        discard(output)
        raise CommandError("Who read the dump has closed it before its end.") from error
    except OSError as error:
        discard(output)
        raise CommandError(f"File {name} cannot be written: {error.strerror}. {STOPPED}") from error
    except CqrsError as error:
        raise CommandError(str(error)) from error
