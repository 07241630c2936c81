"""``manage.py cqrs_status``: how far the replicas are behind, and what waits for a person."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from celery_cqrs import conf
from celery_cqrs.checks import check_tables
from celery_cqrs.management.arguments import count, seconds
from celery_cqrs.master.ping import Ping, ping_queues
from celery_cqrs.status import Status, read_status

UNREADABLE = 2
"""The exit code when figures are missing; 1 is for figures that are too high."""


class Command(BaseCommand):
    """The door to the figures."""

    help = (
        "Shows backlog and lag per replica queue and model, letters, and when beat was last alive. Exits with 1 when "
        "a threshold given as an option is passed, a queue is overfull or a ping is not answered, with 2 when a "
        "database cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--ping", action="store_true", help="measure a round trip to each replica queue")
        parser.add_argument("--timeout", type=seconds, default=10, help="seconds to wait for round trips (10)")
        parser.add_argument("--max-rows", type=count, help="exit 1 when more rows than this wait for one queue")
        parser.add_argument("--max-lag", type=seconds, help="exit 1 when a change is older than this, in seconds")
        parser.add_argument("--max-dead", type=count, help="exit 1 when there are more dead letters than this")
        parser.add_argument("--max-silence", type=seconds, help="exit 1 when beat's last sweep is older, in seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, print, judge."""
        try:
            status = read_status()
            pings = _ping(status, options["timeout"]) if options["ping"] else []
            missing = list(_missing(status))
        except Error as error:
            raise CommandError(f"A database went away: {_one_line(error)}", returncode=UNREADABLE) from error
        problems = [*status.problems(options), *_unanswered(pings)]
        if options["json"]:
            self.stdout.write(json.dumps(_document(status, pings, [*missing, *problems]), indent=2))
        else:
            self._print(status, pings)
        if missing or problems:
            raise CommandError("\n".join([*missing, *problems]), returncode=UNREADABLE if missing else 1)

    def _print(self, status: Status, pings: list[Ping]) -> None:
        self.stdout.write(f"service {status.service} ({' and '.join(status.roles) or 'without models'})")
        if "master" in status.roles or status.backlogs:
            for line in _master_lines(status):
                self.stdout.write(f"  {line}")
        for state, number in status.letters.items():
            self.stdout.write(f"  letters {state}: {number}")
        for name, age in status.silence_seconds.items():
            self.stdout.write(f"  last {name} by beat: {age:.1f} s ago")
        if not status.silence_seconds:
            self.stdout.write("  beat has never run")
        for ping in pings:
            took = ping.problem if ping.seconds is None else f"{ping.seconds * 1000:.0f} ms"
            self.stdout.write(f"  round trip {ping.using} to {ping.queue}: {took}")


def _master_lines(status: Status) -> Iterator[str]:
    for one in status.backlogs:
        counts = f"{one.pending} pending, {one.sent} sent, {one.set_aside} set aside"
        yield f"{one.using} to {one.queue}, {one.cqrs_id}: {counts}, oldest {one.lag_seconds:.1f} s"
    if not status.backlogs:
        yield "outbox empty"
    for last in status.comparisons:
        counts = f"{last.drift} rows differed, {last.remaining} of them still do"
        when = f"{last.state} {_moment(last.started_at)}"
        yield f"{last.using} compared with {last.queue}, {last.cqrs_id}: {when}, {counts}"
    for contact in status.contacts:
        yield f"{contact.using} to {contact.queue}: last confirmed {_moment(contact.confirmed_at)}"
        if contact.failed_at:
            yield f"{contact.using} to {contact.queue}: not published {_moment(contact.failed_at)}: {contact.failure}"


def _ping(status: Status, timeout_seconds: float) -> list[Ping]:
    aliases = [one.using for one in status.databases if one.is_here]
    return ping_queues(aliases, conf.master.replicas, timeout_seconds)


def _unanswered(pings: list[Ping]) -> Iterator[str]:
    for one in pings:
        if one.seconds is None:
            yield f"Round trip {one.using} to {one.queue}: {one.problem}"


def _missing(status: Status) -> Iterator[str]:
    """A sentence for each database that could not be read, though it belongs to this service."""
    for one in status.databases:
        if one.problem:
            yield f"Database {one.using!r} does not answer: {one.problem}"
    reachable = [one.using for one in status.databases if not one.problem]
    needed = [f"{problem.msg} {problem.hint}" for problem in check_tables(databases=reachable)]
    if not needed and not any(one.is_here or one.problem for one in status.databases):
        needed = ["No database has the tables of celery_cqrs. Run: manage.py migrate"]
    yield from needed


def _document(status: Status, pings: list[Ping], problems: list[str]) -> dict[str, Any]:
    trips: dict[str, dict[str, float | None]] = {}
    for one in pings:
        trips.setdefault(one.using, {})[one.queue] = one.seconds
    return {**status.to_dict(), "ping_seconds": trips, "problems": problems}


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"at {moment.isoformat(timespec='seconds')}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
