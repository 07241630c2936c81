"""Load the real catalogue."""

from typing import Any

import pycountry
from django.core.management.base import BaseCommand
from django.db import transaction

from atlas.models import Country, Subdivision
from atlas.serializers import COLUMNS

HAND_MADE = (  # codes that ISO leaves to its users
    ("XA", "XAA", "901", "جزيرة الكنز", "جمهورية جزيرة الكنز", "🏝️"),
    ("XB", "XBB", "902", "蓬莱", "蓬莱仙島共和国", "🏯"),
    ("XC", "XCC", "903", "🦄👩‍👩‍👧‍👦", "🦄 ünder the 🌈", "🏴‍☠️"),
)


class Command(BaseCommand):
    """``manage.py catalogue``: every row in one transaction, captured by ``cqrs.bulk_create``."""

    help = "Load ISO 3166 and three hand-made countries"

    def handle(self, *args: Any, **options: Any) -> None:
        """Countries first, then subdivisions, parents before their parts."""
        with transaction.atomic():
            countries = Country.cqrs.bulk_create([*map(iso_country, pycountry.countries), *map(hand_made, HAND_MADE)])
            subdivisions = Subdivision.cqrs.bulk_create(
                list(map(iso_subdivision, sorted(pycountry.subdivisions, key=depth)))
            )
        self.stdout.write(f"{len(countries)} countries, {len(subdivisions)} subdivisions")


def iso_country(row: Any) -> Country:
    """An entry of ISO 3166-1."""
    return Country(**{name: getattr(row, name, "") for name in COLUMNS})


def hand_made(values: tuple[str, ...]) -> Country:
    """An entry that no standard has."""
    return Country(**dict(zip(COLUMNS, values, strict=True)))


def iso_subdivision(row: Any) -> Subdivision:
    """An entry of ISO 3166-2."""
    names = {"code": row.code, "name": row.name, "type": row.type}
    return Subdivision(**names, country_id=row.country_code, parent_id=row.parent_code)


def depth(row: Any) -> int:
    """How many parents stand above this entry."""
    return 1 + depth(row.parent) if row.parent_code else 0
