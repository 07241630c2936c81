"""A master on one database, its replica on another: every value of every kind arrives as it left."""

from __future__ import annotations

import uuid
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.models import Letter
from tests import router
from tests.app.models import Specimen, SpecimenRef
from tests.contracts.test_values_on_databases import EDGES, STORABLE, columns

SERVERS = ("postgres", "mariadb")
SHORT = {"price": st.decimals(-(10**4), 10**4, places=10)}
"""SQLite keeps 15 digits of a number."""


def marks(pair: tuple[str, str]) -> list[pytest.MarkDecorator]:
    """Both databases, with real commits."""
    needed = [alias for alias in pair if alias in SERVERS]
    return [pytest.mark.django_db(transaction=True, databases=list(pair)), pytest.mark.servers(*needed)]


each_pair = pytest.mark.parametrize(
    ("master", "replica"),
    [pytest.param(*pair, marks=marks(pair)) for pair in permutations(("default", *SERVERS), 2)],
)


def carry(master: str, replica: str) -> None:
    """Bring what was saved to the replica, and what it says of it back."""
    with router.using(replica):
        testing.deliver("replica")
    with router.using(master):
        testing.deliver()


def assert_equal(master: str, replica: str) -> None:
    """Column by column, and nothing was put aside."""
    with router.using(replica):
        assert [kept.reason for kept in Letter.objects.all()] == []
        arrived = columns(SpecimenRef)
    with router.using(master):
        assert arrived == columns(Specimen) != []


def save(master: str, rows: list[dict[str, Any]]) -> None:
    """On the master's database, each with a code of its own."""
    with router.using(master):
        for values in rows:
            Specimen.objects.create(**{**values, "code": uuid.uuid4()})


@each_pair
def test_the_edges_of_every_type_travel_between_databases(master: str, replica: str) -> None:
    save(master, EDGES)
    carry(master, replica)
    assert_equal(master, replica)


@each_pair
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({}, optional=STORABLE | SHORT), min_size=1, max_size=4))
def test_rows_of_any_values_travel_between_databases(master: str, replica: str, rows: list[dict[str, Any]]) -> None:
    save(master, rows)
    carry(master, replica)
    assert_equal(master, replica)


@pytest.mark.parametrize(("master", "replica"), [pytest.param(*SERVERS, marks=marks(SERVERS))])
def test_every_digit_of_a_long_number_travels(master: str, replica: str) -> None:
    save(master, [{"price": Decimal("12345678901234567890.0123456789")}])
    carry(master, replica)
    assert_equal(master, replica)
    with router.using(replica):
        assert SpecimenRef.objects.get().price == Decimal("12345678901234567890.0123456789")


@each_pair
def test_a_row_that_is_changed_and_one_that_is_deleted_follow(master: str, replica: str) -> None:
    save(master, EDGES[:2])
    carry(master, replica)
    with router.using(master):
        first, second = Specimen.objects.order_by("pk")
        first.text = "changed"
        first.save()
        second.delete()
    carry(master, replica)
    assert_equal(master, replica)
    with router.using(replica):
        assert SpecimenRef.objects.get().text == "changed"
