"""A process of the master's service that commits all the time, as a web process would, and notes it in its ledger.

``python -m tests.faults.writer NUMBER FOLDER``: it writes as long as ``FOLDER/go`` exists, as many commits a second as
stand there. ``FOLDER/die-NUMBER`` holds the moment at which its next save is to kill it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django
from django.db import transaction

from tests.harness.waiting import pace

IDLE_SECONDS = 0.1
COUNTRIES = 40
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHARED = "ZZ"
MID_TRANSACTION, AFTER_COMMIT = "mid", "commit"


class Notes:
    """The writer's side of the ledger: a line before each change, a line after its commit."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", buffering=1)

    def begin(self, changes: dict[str, str | None], dies: str) -> None:
        """What will be: key → its new mark, None when it goes; ``dies`` says where this process will be killed."""
        self.file.write(json.dumps({"begin": changes, "dies": dies}) + "\n")

    def commit(self, what: str, seconds: float) -> None:
        """What was begun last is committed; it took so long."""
        self.file.write(json.dumps({"commit": what, "at": time.monotonic(), "seconds": seconds}) + "\n")


class Writer:
    """Makes changes to countries and subdivisions of its own, and now and then to one that all writers share."""

    def __init__(self, number: int, folder: Path) -> None:
        from atlas.models import Country, Subdivision  # after django.setup()

        self.models = Country, Subdivision
        self.number, self.folder = number, folder
        self.notes = Notes(folder / f"ledger-{number}")
        self.random = random.Random(f"writer {number} in its life {lives(folder / f'lives-{number}')}")
        first = LETTERS[(number - 1) * 2 : number * 2]
        self.codes = [f"{one}{two}" for one in first for two in LETTERS][:COUNTRIES]
        self.mark = f"{number}-{os.getpid()}"
        self.count = 0

    def run(self) -> None:
        """Commit at a steady pace, for ever; idle while there is no ``go``."""
        while True:
            start = time.monotonic()
            if rate := self.rate():
                self.step()
                pace(start + 1 / rate)
            else:
                (self.folder / f"idle-{self.number}").touch()
                pace(start + IDLE_SECONDS)

    def rate(self) -> float:
        """Commits a second that are wanted now."""
        with suppress(FileNotFoundError):
            return float((self.folder / "go").read_text() or 0)
        return 0

    def step(self) -> None:
        """One commit."""
        kinds: dict[Callable[[], None], int] = {
            self.save: 70,
            self.save_shared: 5,
            self.switch_country: 6,
            self.save_place: 8,
            self.switch_place: 6,
            self.roll_back: 2,
            self.create_many: 2,
            self.update_many: 1,
        }
        self.random.choices(list(kinds), list(kinds.values()))[0]()

    # ── what a step may be ─────────────────────────────────────────────────────────────────────────────────────────
    def save(self) -> None:
        """A country; the one that is timed, and the one that may be this process's last."""
        country = self.country()
        if country is None:
            self.switch_country()
            return
        self.save_country(country, "save", self.last_will())

    def save_shared(self) -> None:
        """A country that the others save too."""
        country, _ = self.models[0].objects.get_or_create(pk=SHARED, defaults=self.fields(SHARED))
        self.save_country(country, "save shared")

    def save_country(self, country: Any, what: str, dies: str = "") -> None:
        """Save one and time nothing else."""
        country.official_name = self.next_mark()
        with self.noted(what, {f"country {country.pk}": country.official_name}, dies):
            if dies:
                self.save_and_die(country, dies)
            country.save()

    def switch_country(self) -> None:
        """Delete a country with its places, or create one again."""
        code = self.random.choice(self.codes)
        found = self.models[0].objects.filter(pk=code).first()
        if found is None:
            fields = self.fields(code)
            with self.noted("create", {f"country {code}": fields["official_name"]}):
                self.models[0].objects.create(alpha_2=code, **fields)
        else:
            places = found.subdivisions.values_list("pk", flat=True)
            gone = {f"country {code}": None, **{f"place {place}": None for place in places}}
            with self.noted("delete", gone):
                found.delete()

    def save_place(self) -> None:
        """A subdivision, and with it its country."""
        country = self.country()
        place = country and country.subdivisions.first()
        if place is None:
            self.switch_place()
            return
        place.name = self.next_mark()
        with self.noted("save place", {f"place {place.pk}": place.name}):
            place.save()

    def switch_place(self) -> None:
        """Delete a subdivision or create it."""
        country = self.country()
        if country is None:
            return
        place = country.subdivisions.filter(pk=f"{country.pk}-1").first()
        if place is not None:
            with self.noted("delete place", {f"place {place.pk}": None}):
                place.delete()
        else:
            place = self.place(country, 1)
            with self.noted("create place", {f"place {place.pk}": place.name}):
                place.save(force_insert=True)

    def create_many(self) -> None:
        """Places of a country, anew and in bulk."""
        from atlas.models import touch

        country = self.country()
        if country is None:
            return
        old = list(country.subdivisions.values_list("pk", flat=True))
        places = [self.place(country, number) for number in range(2, 6) if f"{country.pk}-{number}" not in old]
        if places:
            changes = {f"place {place.pk}": place.name for place in places}
            with self.noted("bulk_create", changes), transaction.atomic():
                self.models[1].cqrs.bulk_create(places)
                touch(country.pk)

    def update_many(self) -> None:
        """Some countries at once."""
        codes = self.random.sample(self.codes, 10)
        mark = self.next_mark()
        chosen = self.models[0].objects.filter(pk__in=codes)
        with self.noted("bulk_update", {f"country {code}": mark for code in chosen.values_list("pk", flat=True)}):
            self.models[0].cqrs.bulk_update(chosen, official_name=mark)

    def roll_back(self) -> None:
        """Changes that never were: of a whole transaction, or of a savepoint."""
        country = self.country()
        if country is None:
            return
        before = country.official_name
        with self.noted("savepoint", {f"country {country.pk}": before}), transaction.atomic():
            self.undo(country)
            country.official_name = before
            country.save()

    def undo(self, country: Any) -> None:
        """Save it in a savepoint that is rolled back."""
        with transaction.atomic():
            country.official_name = "must not be seen"
            country.save()
            transaction.set_rollback(True)

    # ── parts ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def noted(self, what: str, changes: dict[str, str | None], dies: str = "") -> Iterator[None]:
        """Note, time what is done inside, and note again."""
        self.notes.begin(changes, dies)
        start = time.perf_counter()
        yield
        self.notes.commit(what, time.perf_counter() - start)

    def country(self) -> Any:
        """One of its own that exists."""
        return self.models[0].objects.filter(pk=self.random.choice(self.codes)).first()

    def place(self, country: Any, number: int) -> Any:
        """A subdivision of a country, not saved."""
        return self.models[1](code=f"{country.pk}-{number}", name=self.next_mark(), type="Place", country=country)

    def fields(self, code: str) -> dict[str, str]:
        """What a new country has."""
        return {
            "alpha_3": f"{code}X",
            "numeric": "900",
            "name": f"Country {code}",
            "flag": "🏁",
            "official_name": self.next_mark(),
        }

    def next_mark(self) -> str:
        """A value that no other change has."""
        self.count += 1
        return f"{self.mark}-{self.count}"

    def last_will(self) -> str:
        """Where the next save is to kill this process, if anywhere."""
        order = self.folder / f"die-{self.number}"
        moment = ""
        with suppress(FileNotFoundError):
            moment = order.read_text()
            order.unlink()
        return moment

    def save_and_die(self, country: Any, moment: str) -> None:
        """By SIGKILL, before the COMMIT or between it and the first of our own hooks."""
        with transaction.atomic():
            transaction.on_commit(die)
            country.save()
            if moment == MID_TRANSACTION:
                die()


def lives(path: Path) -> int:
    """How often this writer was started."""
    with path.open("a") as file:
        file.write(".")
        return file.tell()


def die() -> None:
    """By the hand that nothing survives."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    django.setup()
    Writer(int(sys.argv[1]), Path(sys.argv[2])).run()
