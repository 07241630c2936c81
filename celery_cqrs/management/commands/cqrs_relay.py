"""``manage.py cqrs_relay``: publish what is captured, until stopped."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from celery_cqrs import conf
from celery_cqrs.checks import check_configuration, check_tables
from celery_cqrs.master.relay import Relay


class Command(BaseCommand):
    """The door to the relay; SIGTERM and Ctrl-C finish the claim in hand."""

    help = 'Publishes captured changes (CQRS["master"]["publish"] = "relay"). Any number may run side by side.'

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--once", action="store_true", help="end when nothing is pending")
        parser.add_argument(
            "--queue", "-q", action="append", help="publish only for this replica queue; may be given several times"
        )

    def handle(self, *args: Any, once: bool = False, queue: list[str] | None = None, **options: Any) -> None:
        """Run until a signal, or until nothing is pending."""
        refuse_wrong_settings()
        refuse_unknown_queues(queue or [])
        relay = Relay(queue or None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, relay.stop)
        relay.run(once=once)


def refuse_wrong_settings() -> None:
    """Raise CommandError when the checks find what cannot work, or a database that they must see is away."""
    try:
        problems = [*check_configuration(), *check_tables(databases=list(connections))]
    except Error as error:
        raise CommandError(f"A database does not answer: {' '.join(str(error).split())}", returncode=2) from error
    errors = [str(problem) for problem in problems if problem.is_serious()]
    if errors:
        raise CommandError("\n".join(errors))


def refuse_unknown_queues(queues: list[str]) -> None:
    """Raise CommandError for a queue that the settings do not have: it would wait for ever for rows of it."""
    unknown = [queue for queue in queues if queue not in conf.master.replicas]
    if unknown:
        known = ", ".join(conf.master.replicas) or "none"
        raise CommandError(f'CQRS["master"]["replicas"] has no queue {", ".join(unknown)}. Known queues: {known}.')
