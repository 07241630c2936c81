"""``manage.py cqrs_bulk_load``: the rows of a dump into the table of a replica."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celery_cqrs import conf
from celery_cqrs.exceptions import CqrsError, WrongCqrsId
from celery_cqrs.management.arguments import portion
from celery_cqrs.management.progress import Progress, add_progress_argument, stopping_well
from celery_cqrs.positions import Position, name_of
from celery_cqrs.registry import NAME_LENGTH, ReplicaRegistry
from celery_cqrs.transfer.files import Source, reading
from celery_cqrs.transfer.lines import read_cqrs_id, skip_lines
from celery_cqrs.transfer.load import Target, alias_of, load, load_anew
from celery_cqrs.transfer.rejects import Rejects
from celery_cqrs.transfer.write import Written

KEPT = "What was loaded stays; add --resume to go on behind it."
UNTOUCHED = "The old rows are left."
OLD = (
    "This file is older than tombstone_seconds: rows that were deleted since then would come back, and nobody "
    "remembers which. Compare with the master afterwards (cqrs_reconcile on the master)."
)


class Command(BaseCommand):
    """The door to loads; exits with 1 when a line could not be loaded."""

    help = "Loads a dump of cqrs_bulk_dump into the replica's table. Rows that are newer here, or deleted, stay so."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        file = "the dump, - for standard input; .gz and .zst are compressed"
        parser.add_argument("--input", "-i", required=True, metavar="FILE", help=file)
        clear = "empty the table first; old rows are gone only once the dump is loaded"
        parser.add_argument("--clear", "-c", nargs="?", const=True, default=False, type=yes_or_no, help=clear)
        parser.add_argument("--batch", "-b", type=portion, default=10_000, help="rows in a transaction (10000)")
        add_progress_argument(parser)
        parser.add_argument("--resume", action="store_true", help="go on where a stopped run of this file has come to")
        kept = "where bad lines are kept, <file>.rejects when left out"
        parser.add_argument("--rejects", metavar="FILE", help=kept)

    def handle(self, *args: Any, input: str, **options: Any) -> None:
        """Read the head of the dump, load the rest, and tell what came of it."""
        if options["clear"] and options["resume"]:
            raise CommandError("--clear has nothing to resume: a run that was stopped has left the old rows.")
        total = Written()
        how_to_go_on = UNTOUCHED if options["clear"] else KEPT
        try:
            with stopping_well(how_to_go_on), reading(input) as source:
                target = target_of(source)
                rejects = self._load(target, source, total, options)
        except FileNotFoundError as error:
            raise CommandError(f"File {input} doesn't exist!") from error
        except OSError as error:
            raise CommandError(f"File {input} cannot be read: {error.strerror or error}. {how_to_go_on}") from error
        except CqrsError as error:
            told = f" {total.loaded} instance(s) were loaded before." if total.loaded and not options["clear"] else ""
            raise CommandError(f"{error}{told}") from error
        self._tell(total, rejects)

    def _load(self, target: Target, source: Source, total: Written, options: dict[str, Any]) -> Rejects:
        """Load what the source has, with a progress that hears of every batch."""
        done = _skip(source, target) if options["resume"] else 0
        if source.is_older_than(conf.service.tombstone_seconds):
            self.stderr.write(OLD, style_func=str)
        path = Path(options["rejects"] or f"{target.model.CQRS_ID if source.size is None else source.name}.rejects")
        work = load_anew if options["clear"] else load
        with (
            Progress(self.stderr, shown=options["progress"], done=done) as progress,
            Rejects(path, target.model.CQRS_ID, append=options["resume"]) as rejects,
        ):
            work(target, source, rejects, options["batch"], partial(_note, source, total, progress))
        return rejects

    def _tell(self, total: Written, rejects: Rejects) -> None:
        lines = [f"{total.loaded} instance(s) loaded."]
        for count, what in (
            (total.older, "were not newer than what is here"),
            (total.deleted, "have been deleted since and stay so"),
            (total.waiting, "wait as letters for rows that they refer to"),
        ):
            lines += [f"{count} instance(s) {what}."] if count else []
        self.stderr.write("\n".join(["Done!", *lines]), style_func=str)
        if total.failed_count:
            raise CommandError(f"{total.failed_count} line(s) could not be loaded and are kept in {rejects.path}.")


def target_of(source: Source) -> Target:
    """The model that the first line names. Raises DumpRefused and WrongCqrsId."""
    cqrs_id = read_cqrs_id(source)
    model = ReplicaRegistry.get_model_by_cqrs_id(cqrs_id)
    if model is None:
        raise WrongCqrsId(cqrs_id=cqrs_id[:NAME_LENGTH])
    run = name_of("cqrs_bulk_load", cqrs_id, Path(source.name).name, source.size)
    return Target(model, alias_of(model), run)


def yes_or_no(text: str) -> bool:
    """django-cqrs has ``--clear=True``."""
    if text.lower() not in ("true", "false"):
        raise ArgumentTypeError(f"{text!r} is neither true nor false; --clear alone says it.")
    return text.lower() == "true"


def _skip(source: Source, target: Target) -> int:
    """Go behind what an earlier run has loaded; returns how many rows that were."""
    position = Position.find(target.using, target.run)
    if position is None:
        raise CommandError("There is nothing to resume: no run of this file was stopped. Run it without --resume.")
    skip_lines(source, int(position.place))
    return position.done


def _note(source: Source, total: Written, progress: Progress, written: Written) -> None:
    """Add a batch up and show it; how many rows there are is estimated by how much of the file is read."""
    total += written.counted()
    for _, sentence in written.failed:
        progress.say(sentence)
    if source.share:
        progress.total = round((progress.done + written.lines) / source.share)
    progress.add(written.lines)
