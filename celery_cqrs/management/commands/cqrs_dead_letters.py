"""``manage.py cqrs_dead_letters dump|retry|purge``: read the letters of this service, try them again, delete them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celery_cqrs.models import Letter
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica import dead_letters
from celery_cqrs.replica.dead_letters import Choice

ANY = "any"
FILTERS = ("cqrs_id", "pk", "reason", "older_than", "id")


class Command(BaseCommand):
    """The door to letters; exits with 1 when filters find nothing, or when something cannot be retried."""

    help = "Prints dead letters as a JSON line each (dump), tries them again at once (retry), or deletes them (purge)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("action", choices=["dump", "retry", "purge"])
        parser.add_argument("--cqrs-id", "-cid", help="only letters of this model")
        parser.add_argument("--pk", help="only the letter of this primary key")
        parser.add_argument("--reason", "-r", metavar="TEXT", help="only letters whose reason contains this text")
        parser.add_argument("--older-than", type=float, metavar="SECONDS", help="only letters that failed longer ago")
        parser.add_argument("--id", type=int, nargs="+", metavar="ID", help="only these letters")
        states = [*Letter.STATES, ANY]
        parser.add_argument("--state", choices=states, default=Letter.DEAD, help="letters in this state (dead)")
        parser.add_argument("--yes", action="store_true", help="purge without asking")

    def handle(self, *args: Any, action: str, yes: bool, **options: Any) -> None:
        """Choose the letters, then do it."""
        chosen = self._choose(action, options)
        count = dead_letters.count_letters(chosen)
        if not count and any(options[name] is not None for name in FILTERS):
            raise CommandError("No objects found for filter!")
        if action == "dump":
            self._dump(chosen)
            return
        self.stdout.write(f"Total {'' if chosen.state is None else f'{chosen.state} '}letters: {count}")
        if action == "retry":
            self._retry(chosen, count)
        elif count:
            self._purge(chosen, count, yes)

    def _choose(self, action: str, options: dict[str, Any]) -> Choice:
        cqrs_id = options["cqrs_id"]
        if cqrs_id is not None and not dead_letters.is_known(cqrs_id):
            raise CommandError(f"Wrong CQRS ID: {cqrs_id}!")
        if action == "retry" and cqrs_id is not None and cqrs_id not in ReplicaRegistry.models:
            raise CommandError(f"Wrong CQRS ID: {cqrs_id}! Add its replica model; then its letters can be retried.")
        return Choice(
            state=None if options["state"] == ANY else options["state"],
            cqrs_id=cqrs_id,
            pk=options["pk"],
            reason=options["reason"],
            older_than_seconds=options["older_than"],
            ids=tuple(options["id"] or ()),
        )

    def _dump(self, chosen: Choice) -> None:
        for letter in dead_letters.stream_letters(chosen):
            facts = {
                "id": letter.id,
                "state": letter.state,
                "reason": letter.reason,
                "attempts": letter.attempts,
                "failed_at": letter.updated_at.isoformat(),
            }
            self.stdout.write(json.dumps({**_readable(letter), "letter": facts}))

    def _retry(self, chosen: Choice, count: int) -> None:
        refused = 0
        for number, (letter, refusal) in enumerate(dead_letters.replay_letters(chosen), start=1):
            if refusal:
                refused += 1
                self.stderr.write(f"Letter {letter.id} cannot be retried. {refusal}")
                continue
            self.stdout.write(f"Retrying: {number}/{count}")
            self.stdout.write(json.dumps({**_readable(letter), "retries": 0}))
        if refused:
            raise CommandError(f"{refused} of {count} letters cannot be retried.")

    def _purge(self, chosen: Choice, count: int, yes: bool) -> None:
        question = f"Delete {count} letters? What they carry is never applied. [yes/no] "
        if yes or _answer(question) == "yes":
            dead_letters.purge_letters(chosen)
            self.stdout.write("Purged")
        else:
            self.stdout.write("Nothing purged")


def _readable(letter: Letter) -> dict[str, Any]:
    """The message as it came; under "payload" what is no message."""
    return letter.payload if isinstance(letter.payload, dict) else {"payload": letter.payload}


def _answer(question: str) -> str:
    try:
        return input(question)
    except EOFError as error:
        raise CommandError("Nobody is there to answer. Say --yes to purge without being asked.") from error
