"""``manage.py cqrs_outbox list|retry|drop``: look at the outbox, and mend it by hand."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from celery_cqrs import conf
from celery_cqrs.database import tables
from celery_cqrs.management.arguments import count, row_id, seconds
from celery_cqrs.management.pipes import ending_well
from celery_cqrs.management.progress import UNREADABLE
from celery_cqrs.master import bundles
from celery_cqrs.master.choice import (
    STATES,
    Choice,
    Done,
    count_changes,
    count_rows,
    drop_rows,
    find_rows,
    retry_rows,
    state_of,
)
from celery_cqrs.models import Outbox
from celery_cqrs.registry import MasterRegistry
from celery_cqrs.serialize import to_plain

LISTED = 100
FLAGS_OF = {"json": "list", "all": "drop", "yes": "drop"}
SHOWN = (
    "queue",
    "cqrs_id",
    "signal_type",
    "revision",
    "size",
    "attempts",
    "captured_at",
    "available_at",
    "sent_at",
    "error",
)
QUESTION = "Delete {} changes that their replicas have not confirmed? They will never arrive. [yes/no] "
Rows = dict[str, QuerySet[Outbox]]
"""The chosen rows, by database alias."""


class Command(BaseCommand):
    """The door to outbox rows."""

    help = "Lists outbox rows, makes them pending at once (retry), or deletes them unsent (drop)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("action", choices=["list", "retry", "drop"])
        parser.add_argument("--queue", "-q", help="only rows for this replica queue")
        parser.add_argument("--cqrs-id", "-cid", help="only rows of this model")
        parser.add_argument("--state", choices=list(STATES), help="only rows in this state")
        parser.add_argument("--older-than", type=seconds, metavar="SECONDS", help="only rows captured longer ago")
        parser.add_argument("--id", type=row_id, nargs="+", action="extend", help="only the rows with these ids")
        parser.add_argument("--pk", help="only rows of the instance with this primary key, as the list shows it")
        parser.add_argument("--error", metavar="TEXT", help="only rows with this text in their error, in any case")
        parser.add_argument("--database", metavar="ALIAS", help="only the outbox in this database")
        parser.add_argument("--limit", type=count, help=f"so many rows at most, the oldest first (list: {LISTED})")
        parser.add_argument("--json", action="store_true", help="list: one JSON object per row and line")
        parser.add_argument("--all", action="store_true", help="drop: all rows; needed when no filter is given")
        parser.add_argument("--yes", action="store_true", help="drop: without asking")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """Choose the rows, then do it."""
        work = {"list": self._list, "retry": self._retry, "drop": self._drop}[action]
        with ending_well(self.stdout, "What was done stays so; run it again for the rest."):
            refuse_strange_flags(action, options)
            work(choose_rows(options), options)

    def _list(self, rows: Rows, options: dict[str, Any]) -> None:
        limit = LISTED if options["limit"] is None else options["limit"]
        for using, row in _oldest(rows, limit):
            facts = describe(using, row)
            self.stdout.write(json.dumps(facts) if options["json"] else _line(facts))
        if not options["json"]:
            self.stdout.write(f"{sum(count_rows(found) for found in rows.values())} rows in all")

    def _retry(self, rows: Rows, options: dict[str, Any]) -> None:
        done = _each(retry_rows, rows, options["limit"])
        self.stdout.write(f"{done.changed} rows are pending now")
        if done.left:
            self.stdout.write(f"{done.left} rows are being sent or confirmed just now and were left alone")

    def _drop(self, rows: Rows, options: dict[str, Any]) -> None:
        if not options["yes"] and not self._agrees(_count(rows, options)):
            self.stdout.write("nothing dropped")
            return
        for found in rows.values() if options["pk"] is not None else ():
            bundles.take_out(found)  # to drop one key, and not those that share its row
        done = _each(drop_rows, rows, options["limit"])
        self.stdout.write(f"{done.changed} rows dropped")
        if done.left:
            self.stdout.write(f"{done.left} rows are being sent or confirmed just now and were left; run it again")

    def _agrees(self, number: int) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Nobody is here to be asked: add --yes to drop without a question.")
        try:
            return input(QUESTION.format(number)) == "yes"
        except EOFError:
            return False


def refuse_strange_flags(action: str, options: dict[str, Any]) -> None:
    """Raise CommandError for flags of another action, and for a drop that does not say what it means."""
    for flag, owner in FLAGS_OF.items():
        if options[flag] and action != owner:
            raise CommandError(f"--{flag} is for {owner} alone.")
    if action == "drop" and options["all"] != _choice(options).is_everything:
        raise CommandError("Say which rows to drop, by a filter; or say --all, without any filter.")


def choose_rows(options: dict[str, Any]) -> Rows:
    """The rows that the options mean. Raises CommandError for what is not there."""
    aliases = _aliases(options["database"])
    chosen = _choice(options)
    _refuse_unknown("queue", chosen.queue, conf.master.replicas, aliases)
    _refuse_unknown("cqrs_id", chosen.cqrs_id, MasterRegistry.models, aliases)
    if chosen.ids is not None:
        _refuse_unknown_ids(chosen.ids, aliases)
    return {using: chosen.on(using) for using in aliases}


def describe(using: str, row: Outbox) -> dict[str, Any]:
    """What the list shows of ``row``, as plain JSON values: no value of the instance."""
    facts = {"using": using, "id": row.id, "state": state_of(row), "pk": row.named_keys}
    return {**facts, **{name: to_plain(getattr(row, name)) for name in SHOWN}}


def _choice(options: dict[str, Any]) -> Choice:
    return Choice(
        queue=options["queue"],
        cqrs_id=options["cqrs_id"],
        state=options["state"],
        older_than_seconds=options["older_than"],
        ids=None if options["id"] is None else tuple(options["id"]),
        pk=options["pk"],
        error=options["error"],
    )


def _aliases(only: str | None) -> list[str]:
    """The databases whose outboxes are meant; all must answer, or a count would be a lie."""
    found = [one for one in tables.look(Outbox) if only in (None, one.using)]
    for one in found:
        if one.problem:
            raise CommandError(f"Database {one.using!r} does not answer: {one.problem}", returncode=UNREADABLE)
    here = [one.using for one in found if one.is_here]
    if not here:
        place = "No database has an outbox" if only is None else f"No database {only!r} has an outbox"
        known = ", ".join(tables.aliases(Outbox)) or "none; manage.py migrate makes it"
        raise CommandError(f"{place}. Databases that have one: {known}.")
    return here


def _refuse_unknown(name: str, value: str | None, known: Any, aliases: list[str]) -> None:
    """What is no longer in the settings may have left rows, and is known then."""
    if value is None or value in known:
        return
    if any(Outbox.objects.using(using).filter(**{name: value}).exists() for using in aliases):
        return
    raise CommandError(f"There is no {name} {value!r}. Known: {', '.join(sorted(known)) or 'none'}.")


def _refuse_unknown_ids(ids: tuple[int, ...], aliases: list[str]) -> None:
    if len(aliases) > 1:
        raise CommandError(f"Each database counts its own ids: add --database, one of {', '.join(aliases)}.")
    found = set(Outbox.objects.using(aliases[0]).filter(id__in=ids).values_list("id", flat=True))
    gone = sorted(set(ids) - found)
    if gone:
        raise CommandError(f"There is no outbox row {', '.join(map(str, gone))}: it was confirmed, or never there.")


def _oldest(rows: Rows, limit: int) -> Iterator[tuple[str, Outbox]]:
    left = limit
    for using, found in rows.items():
        for row in find_rows(using, found, left):
            left -= 1
            yield using, row


def _count(rows: Rows, options: dict[str, Any]) -> int:
    """How many changes a drop will delete; of a key named by --pk each row is one."""
    count = count_changes if options["pk"] is None else count_rows
    return sum(count(found, options["limit"]) for found in rows.values())


def _each(work: Callable[..., Done], rows: Rows, limit: int | None) -> Done:
    done = Done()
    for using, found in rows.items():
        done += work(using, found, None if limit is None else limit - done.rows)
    return done


def _line(facts: dict[str, Any]) -> str:
    text = (
        "{using} {id} {state}: {signal_type} {cqrs_id} {pk} for {queue}, "
        "captured {captured_at}, attempts {attempts}".format(**facts)
    )
    return _printable(f"{text}, error: {facts['error']}" if facts["error"] else text)


def _printable(text: str) -> str:
    """One line without control characters: keys and errors come from elsewhere."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
