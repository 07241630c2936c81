"""``manage.py cqrs_consume``: the Celery worker for this service's queue, under the name that django-cqrs gave it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celery_cqrs.exceptions import CeleryAppNotFound
from celery_cqrs.management.arguments import portion, seconds
from celery_cqrs.management.worker import Reloader, become, refuse_a_part, worker_command


class Command(BaseCommand):
    """The door to the worker."""

    help = "Starts the Celery worker for the queue of this service, as celery -A <app> worker -Q <queue> does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--workers", "-w", type=portion, default=1, help="number of processes (1)")
        parser.add_argument(
            "--cqrs-id", "-cid", nargs="*", action="extend", default=[], help="all models of this service, or none"
        )
        parser.add_argument(
            "--reload",
            "-r",
            action="store_true",
            help="start anew when Python files below this folder change, or on SIGHUP",
        )
        parser.add_argument("--ignore-paths", metavar="PATHS", default="", help="with --reload: not these, by commas")
        parser.add_argument(
            "--sigint-timeout",
            type=seconds,
            default=5,
            metavar="SECONDS",
            help="with --reload: patience before a kill (5)",
        )
        parser.add_argument(
            "--sigkill-timeout", type=seconds, default=1, metavar="SECONDS", help="with --reload: patience after it (1)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Start it, and stay in its place or beside it."""
        refuse_a_part(options["cqrs_id"])
        try:
            command = worker_command(options["workers"], options["verbosity"])
        except CeleryAppNotFound as error:
            raise CommandError(str(error)) from error
        if not options["reload"]:
            become(command)
        ignored = [Path(path).resolve() for path in options["ignore_paths"].split(",") if path]
        sys.exit(Reloader(command, ignored, options["sigint_timeout"], options["sigkill_timeout"]).run())
