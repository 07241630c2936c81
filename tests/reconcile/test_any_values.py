"""Whatever the values: a database and Python make the same digests, and so do a master and its replica elsewhere."""

from __future__ import annotations

import uuid

import pytest
from django.db import connections
from django.db.models import Max
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs.reconcile.columns import columns_of_master, columns_shared
from celery_cqrs.reconcile.digest import HASH, KEY
from celery_cqrs.reconcile.rows import Rows
from tests import router
from tests.app.models import (
    Author,
    AuthorRef,
    Dog,
    DogRef,
    Plate,
    PlateRef,
    Product,
    ProductRef,
    Shelf,
    ShelfRef,
    Specimen,
    SpecimenRef,
)
from tests.capture.conftest import carry_to_replica
from tests.contracts.test_between_databases import SHORT, carry, each_pair
from tests.contracts.test_values_on_databases import EDGES, STORABLE
from tests.reconcile.sides import both, by_python, rows_of_master, without_slow_columns

quickly = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
specimens = st.lists(st.fixed_dictionaries({}, optional=STORABLE), min_size=1, max_size=6)
short_specimens = st.lists(st.fixed_dictionaries({}, optional=STORABLE | SHORT), min_size=1, max_size=6)


def save(rows):
    """Specimens, all at once."""
    made = [Specimen(**{**values, "code": uuid.uuid4()}) for values in rows]
    first = (Specimen.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    for pk, specimen in enumerate(made, first):
        specimen.pk = pk
    Specimen.cqrs.bulk_create(made)


def assert_alike(one: Rows, other: Rows) -> None:
    """Chunk by chunk and row by row."""
    chunks = list(one.chunks(5))
    intervals = [interval for interval, _ in chunks]
    assert [digest for _, digest in chunks] == other.digests(intervals)
    assert one.states(intervals, 1_000) == other.states(intervals, 1_000)
    assert sum(digest.count for _, digest in chunks) > 0


@settings(max_examples=8, **quickly)
@given(rows=specimens)
def test_a_database_and_python_make_the_same_lines_of_any_values(uncommitted, rows):
    save([*EDGES, *rows])
    (made,) = without_slow_columns(rows_of_master(uncommitted, Specimen))
    ordered = made.table.rows().order_by("pk")
    lines = list(ordered.annotate(cqrs_line=made.table.line()).values_list("cqrs_line", flat=True))
    assert lines == [record.line for record in made.table.read(ordered)]


@pytest.mark.parametrize("scheme", [KEY, HASH])
def test_a_database_and_python_make_the_same_digests(uncommitted, scheme):
    save(EDGES)
    (made,) = without_slow_columns(rows_of_master(uncommitted, Specimen))
    made.scheme = scheme
    assert_alike(made, by_python(made))
    intervals = [interval for interval, _ in made.chunks(5)]
    assert made.digests(intervals) == by_python(made).digests(intervals)
    assert made.slices(intervals[1]) == by_python(made).slices(intervals[1])


@each_pair
@settings(max_examples=3, **quickly)
@given(rows=short_specimens)
def test_two_databases_make_the_same_digests_of_any_values(master, replica, rows):
    with router.using(master):
        save([*EDGES, *rows])
    carry(master, replica)
    with router.using(master):
        pair = both(master, Specimen, replica, SpecimenRef)
    assert_alike(*pair)
    assert_alike(*without_slow_columns(*pair))


@each_pair
def test_two_databases_agree_on_keys_of_every_kind(master, replica):
    with router.using(master):
        Product.objects.create(sku="Ä 1/b", title="Tee, grün", price="1.5")
        Product.objects.create(sku="a'1", title="", price="0")
        shelves = [Shelf.objects.create(label=label) for label in ("left", "Right", "right", "RIGHT, too")]
        Plate.objects.create(shelf=shelves[0], is_hidden=True)
        Plate.objects.create(shelf=shelves[1])
        Dog.objects.create(name="Rex", tricks=3).save()
    carry(master, replica)
    for model, kept in ((Product, ProductRef), (Shelf, ShelfRef), (Plate, PlateRef), (Dog, DogRef)):
        assert_alike(*both(master, model, replica, kept))


@each_pair
def test_a_row_that_is_edited_on_a_side_is_told_apart(master, replica):
    with router.using(master):
        first, second = (Shelf.objects.create(label="left") for _ in range(2))
    carry(master, replica)
    ours, theirs = both(master, Shelf, replica, ShelfRef)
    with router.using(replica):
        ShelfRef.objects.filter(pk=first.pk).update(label="LEFT")
        ShelfRef.objects.filter(pk=second.pk).update(cqrs_revision=3)
    intervals = [interval for interval, _ in ours.chunks(10)]
    assert ours.digests(intervals) != theirs.digests(intervals)
    found, kept = ours.find([str(first.pk), str(second.pk)]), theirs.find([str(first.pk), str(second.pk)])
    assert found[str(first.pk)].content != kept[str(first.pk)].content
    assert kept[str(second.pk)].revision == 3


@pytest.fixture
def narrow_columns():
    """On MariaDB: texts of one byte a character, and keys that tell upper from lower case."""
    narrow = "MODIFY {} varchar({}) CHARACTER SET latin1 COLLATE {} NOT NULL"
    wide = "MODIFY {} varchar({}) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"

    def alter(columns: str, *collations: str) -> None:
        parts = (("code", 20), ("name", 50))
        changes = [columns.format(*part, *collation) for part, *collation in zip(parts, *collations, strict=False)]
        with connections["mariadb"].cursor() as cursor:
            cursor.execute(f"ALTER TABLE app_productref {', '.join(changes)}")

    alter(narrow, ("latin1_bin", "latin1_general_ci"))
    yield
    with router.using("mariadb"):
        ProductRef.objects.all().delete()
    alter(wide)


@pytest.mark.django_db(transaction=True, databases=["default", "mariadb"])
@pytest.mark.servers("mariadb")
def test_keys_that_differ_by_case_and_narrow_columns_make_no_difference(narrow_columns):
    with router.using("default"):
        for sku in ("ab", "aB", "Ab", "Ä", "ä", "é "):
            Product.objects.create(sku=sku, title=f"{sku} für ½ £")
    carry("default", "mariadb")
    assert_alike(*both("default", Product, "mariadb", ProductRef))


def test_each_queue_is_compared_by_the_fields_that_it_gets(uncommitted, monkeypatch):
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"replica": ["id", "name"], "search": "__all__"})
    columns = {queue: columns_of_master(Author, uncommitted, queue) for queue in ("replica", "search")}
    names = {queue: [column.name for column in columns] for queue, columns in columns.items()}
    assert names == {"replica": ["name"], "search": ["name", "born", "rival"]}
    Author.objects.create(name="Ann", born="1900-01-01")
    carry_to_replica(uncommitted)
    assert_alike(*both(uncommitted, Author, uncommitted, AuthorRef, queue="replica"))
    assert columns_shared(AuthorRef, uncommitted, columns["search"]) == columns["search"]
