"""Fields that only PostgreSQL has, and columns that a database computes, from table to table."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import django
import pytest
from django.contrib.postgres import fields as postgres
from django.contrib.postgres.signals import get_hstore_oids
from django.db import connections, models
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange, NumericRange
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.mixins import MasterMixin, ReplicaMixin
from celery_cqrs.models import Letter
from tests import router
from tests.contracts.test_values_on_databases import texts

numbers = st.integers(-(2**31), 2**31 - 1)
minutes = st.integers(0, 4 * 10**9)
moments = minutes.map(
    lambda count: datetime.datetime(1000, 1, 2, tzinfo=datetime.UTC) + datetime.timedelta(minutes=count)
)
days = st.dates(datetime.date(1000, 1, 1), datetime.date(9998, 1, 1))
STORABLE: dict[str, st.SearchStrategy[Any]] = {
    "counts": st.lists(st.none() | numbers, max_size=4),
    "prices": st.lists(st.none() | st.decimals(-(10**9), 10**9, places=4), max_size=3),
    "grid": st.lists(st.lists(texts.map(lambda text: text[:20]), min_size=2, max_size=2), max_size=3),
    "codes": st.lists(st.uuids(), max_size=3),
    "moments": st.lists(moments, max_size=3),
    "labels": st.dictionaries(texts, st.none() | texts, max_size=4),
    "span": st.tuples(numbers, numbers).map(lambda ends: NumericRange(min(ends), max(ends) + 1, "[)")),
    "amount": st.decimals(-(10**9), 10**9, places=3).map(lambda low: NumericRange(low, low + 1, "(]")),
    "season": days.map(lambda first: DateRange(first, first + datetime.timedelta(days=9), "[)")),
    "opening": moments.map(lambda first: DateTimeTZRange(first, None, "[)")),
}
EDGES: list[dict[str, Any]] = [
    {"counts": [], "grid": [], "labels": {}, "span": NumericRange(empty=True)},
    {"grid": [["a,b", '"'], ["\\", "NULL"]], "labels": {'"=>"': "=>", "é": None, "": "🦉"}},
    {"span": NumericRange(None, 5, "()"), "amount": NumericRange(Decimal("1.10"), Decimal("2.20"), "[]")},
    {"codes": [uuid.UUID(int=0)], "prices": [Decimal("0.0001"), None], "opening": DateTimeTZRange(None, None)},
    {},
]


class ExtraFields(models.Model):
    """One of each."""

    counts = postgres.ArrayField(models.IntegerField(null=True), null=True)
    prices = postgres.ArrayField(models.DecimalField(max_digits=15, decimal_places=4, null=True), null=True)
    grid = postgres.ArrayField(postgres.ArrayField(models.CharField(max_length=20)), null=True)
    codes = postgres.ArrayField(models.UUIDField(), null=True)
    moments = postgres.ArrayField(models.DateTimeField(), null=True)
    labels = postgres.HStoreField(null=True)
    span = postgres.BigIntegerRangeField(null=True)
    amount = postgres.DecimalRangeField(null=True)
    season = postgres.DateRangeField(null=True)
    opening = postgres.DateTimeRangeField(null=True)
    if django.VERSION >= (5, 0):
        size = models.GeneratedField(
            expression=models.F("id") * 2, output_field=models.BigIntegerField(), db_persist=True
        )

    class Meta:
        abstract = True
        app_label = "app"
        managed = False  # only PostgreSQL can have the tables; the fixture makes them


class Extra(MasterMixin, ExtraFields):
    """The master."""

    CQRS_ID = "extra"

    class Meta(ExtraFields.Meta):
        abstract = False
        db_table = "app_extra"


class ExtraRef(ReplicaMixin, ExtraFields):
    """The replica."""

    CQRS_ID = "extra"

    class Meta(ExtraFields.Meta):
        abstract = False
        db_table = "app_extra_ref"


@pytest.fixture(autouse=True)
def tables(transactional_db: None) -> Iterator[None]:
    """Both tables, on PostgreSQL."""
    connection = connections["postgres"]
    with router.whole_process_using("postgres"):
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS hstore")
        get_hstore_oids.cache_clear()
        connection.close()  # a new one knows the type
        with connection.schema_editor() as editor:
            editor.create_model(Extra)
            editor.create_model(ExtraRef)
        yield
        with connection.schema_editor() as editor:
            editor.delete_model(ExtraRef)
            editor.delete_model(Extra)


pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["postgres"]),
    pytest.mark.servers("postgres"),
]


def assert_replica_equals_master() -> None:
    """Column by column, those that the database computes too."""
    names = [field.attname for field in Extra._meta.concrete_fields]
    assert [kept.reason for kept in Letter.objects.all()] == []
    assert list(ExtraRef.objects.order_by("pk").values(*names)) == list(Extra.objects.order_by("pk").values(*names))


def test_the_edges_of_the_fields_of_postgres_arrive_unharmed() -> None:
    for values in EDGES:
        Extra.objects.create(**values)
    testing.deliver()
    assert ExtraRef.objects.count() == len(EDGES)
    assert_replica_equals_master()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({}, optional=STORABLE), min_size=1, max_size=3))
def test_any_values_of_the_fields_of_postgres_arrive_unharmed(rows: list[dict[str, Any]]) -> None:
    for values in rows:
        Extra.objects.create(**values)
    testing.deliver()
    assert_replica_equals_master()


def test_a_row_with_such_fields_is_updated() -> None:
    extra = Extra.objects.create(counts=[1], labels={"a": "b"})
    testing.deliver()
    extra.counts, extra.labels, extra.span = [1, 2], {"a": "c"}, NumericRange(1, 2)
    extra.save()
    testing.deliver()
    assert ExtraRef.objects.get().cqrs_revision == 1
    assert_replica_equals_master()
