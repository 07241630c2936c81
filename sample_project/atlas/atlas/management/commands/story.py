"""What people do to the catalogue while the demo looks on."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from atlas.models import Country, Subdivision


class Command(BaseCommand):
    """``manage.py story STEP``: change the catalogue as that step of the story says."""

    help = "Tell one step of the demo's story"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The step's name."""
        parser.add_argument("step", choices=STEPS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print in one line what was changed."""
        self.stdout.write(STEPS[options["step"]]())


def singles() -> str:
    """Row by row, in bulk, and what a rollback takes back."""
    rename_countries("DE", "ES", "FR", "IT", "JP")
    rename_subdivisions("DE-BY", "US-CA", "JP-13")
    nowhere = Country.objects.create(alpha_2="XN", alpha_3="XNN", numeric="904", name="Nowhere", flag="🏳️")
    Subdivision.objects.create(code="XN-1", name="Nowhere in particular", type="Place", country=nowhere)
    changed = Country.cqrs.bulk_update(Country.objects.filter(pk__startswith="B"), official_name="changed in bulk")
    for code in ("LU-CA", "LU-CL"):
        Subdivision.objects.get(pk=code).delete()
    Country.objects.get(pk="AQ").delete()
    undone(lambda: rename_countries("FR", "GB", "AD"))
    with transaction.atomic():
        undone(lambda: rename_countries("SE", "NO"))
        rename_countries("SE")
    return f"11 saves, {changed} updated in bulk, 3 deleted, 5 changes rolled back (a transaction, a savepoint)"


def one() -> str:
    """A single change, for a worker to hold in its hands."""
    rename_countries("IS")
    return "country IS saved"


def many() -> str:
    """Forty commits of one row, timed: a commit must not wait for the broker."""
    codes = Subdivision.objects.filter(country_id="US").values_list("pk", flat=True)[:20]
    times = [timed(rename_subdivisions, code) for code in codes]
    times += [
        timed(rename_countries, code)
        for code in Country.objects.filter(pk__startswith="M").values_list("pk", flat=True)[:20]
    ]
    return f"{len(times)} commits, the slowest took {max(times) * 1000:.0f} ms"


def again() -> str:
    """Delete a country with all its subdivisions, then create the same keys anew."""
    old = list(Subdivision.objects.filter(country_id="AD").values())
    Country.objects.get(pk="AD").delete()
    andorra = Country.objects.create(alpha_2="AD", alpha_3="AND", numeric="020", name="Andorra, born again", flag="🇦🇩")
    for row in old:
        Subdivision.objects.create(code=row["code"], name=f"New {row['name']}", type="Parish", country=andorra)
    return f"country AD and its {len(old)} subdivisions deleted and re-created"


STEPS: dict[str, Callable[[], str]] = {"singles": singles, "one": one, "many": many, "again": again}


def rename_countries(*codes: str) -> None:
    """Save these countries, one by one."""
    for country in Country.objects.filter(pk__in=codes):
        country.official_name = f"{country.name}, revised at {time.time():.3f}"
        country.save()


def rename_subdivisions(*codes: str) -> None:
    """Save these subdivisions, one by one."""
    for subdivision in Subdivision.objects.filter(pk__in=codes):
        subdivision.name = f"{subdivision.name} ✓"
        subdivision.save()


def undone(change: Callable[[], None]) -> None:
    """Make the change inside a transaction, or a savepoint, and roll it back."""
    with transaction.atomic():
        change()
        transaction.set_rollback(True)


def timed(change: Callable[[str], None], code: str) -> float:
    """Seconds that the change took."""
    start = time.perf_counter()
    change(code)
    return time.perf_counter() - start
