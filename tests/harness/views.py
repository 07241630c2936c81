"""What must be equal at the end: plain SQL over the sample's tables, with none of the package's code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.harness.comparison import differences
from tests.harness.databases import Database, Row, rows

GUARD = ("cqrs_revision", "cqrs_updated")
COUNTRY = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "flag")
SHOP_COUNTRY = ("iso_code", "alpha_3", "number", "title", "full_title", "flag")
SUBDIVISION = ("code", "name", "type", "country_id", "parent_id")
SHOP_SUBDIVISION = ("iso_code", "title", "kind", "country_id", "part_of_id")
DOCUMENT = ("alpha_2", "title", "document")


@dataclass(frozen=True)
class View:
    """The same rows on two sides; ``columns`` are the names on the replica, the key first."""

    replica: str
    table: str
    columns: Sequence[str]
    expected: Callable[[Database], list[Row]]

    def compare(self, databases: Mapping[str, Database]) -> tuple[int, list[str]]:
        """How many rows the master has, and each difference as a sentence."""
        expected = self.expected(databases["atlas"])
        found = select(databases[self.replica], self.table, self.columns)
        return len(expected), [f"{self.table} {line}" for line in differences(self.columns, expected, found)]


def select(source: Database, table: str, columns: Sequence[str]) -> list[Row]:
    """These columns of all rows. The alias lets a column be called by a reserved word."""
    return rows(source, f"SELECT {', '.join(f't.{column}' for column in columns)} FROM {table} t")


def documents(atlas: Database) -> list[Row]:
    """What the search service should hold, put together from the master's two tables."""
    places = defaultdict(list)
    for code, name, kind, country in sorted(select(atlas, "atlas_subdivision", ("code", "name", "type", "country_id"))):
        places[country].append({"code": code, "name": name, "type": kind})
    found = []
    for *values, revision, updated in select(atlas, "atlas_country", COUNTRY + GUARD):
        country = dict(zip(COUNTRY, values, strict=True))
        document = country | {"subdivisions": places[country["alpha_2"]]}
        found.append((country["alpha_2"], f"{country['flag']} {country['name']}", document, revision, updated))
    return found


VIEWS = (
    View(
        "shop",
        "shop_country",
        SHOP_COUNTRY + GUARD,
        lambda atlas: select(atlas, "atlas_country", COUNTRY + GUARD),
    ),
    View(
        "shop",
        "shop_subdivision",
        SHOP_SUBDIVISION + GUARD,
        lambda atlas: select(atlas, "atlas_subdivision", SUBDIVISION + GUARD),
    ),
    View("search", "search_countrydocument", DOCUMENT + GUARD, documents),
)
