"""The journey of a row of every kind of value, through each database on both sides."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.models import Letter
from tests.app.models import Specimen, SpecimenRef
from tests.contracts.test_field_values import EMOJI, VALUES

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=80)
minutes = st.integers(0, 4 * 10**9).map(lambda count: datetime.timedelta(minutes=count, microseconds=count % 10**6))
moments = minutes.map(lambda since: datetime.datetime(1000, 1, 2, tzinfo=datetime.UTC) + since)
days = datetime.timedelta(days=100_000)
STORABLE = VALUES | {
    "real": st.floats(-1e100, 1e100, allow_subnormal=False),
    "line": texts,
    "text": texts,
    "day": st.dates(datetime.date(1000, 1, 1)),
    "moment": moments,
    "span": st.timedeltas(-days, days),
    "tree": st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts, max_size=4),
    "twin": st.none(),
}
EDGES = [
    {"line": EMOJI, "text": EMOJI * 50, "tree": {EMOJI: [EMOJI, None, {"a": 1.5}]}, "document": "é/🦉.txt"},
    {"big": 2**63 - 1, "small": -(2**15), "flag": False, "real": 5e-100},
    {"big": -(2**63), "small": 0, "flag": True, "real": -1.7976931348623157e308},
    {"price": Decimal("12345.0000000001"), "span": datetime.timedelta(days=-1, microseconds=1)},
    {"moment": datetime.datetime(2026, 3, 29, 1, 59, 59, 999999, datetime.UTC), "hour": datetime.time(23, 59, 59, 1)},
    {"day": datetime.date(9999, 12, 31), "blob": bytes(range(256)), "address": "::ffff:1.2.3.4"},
    {"text": "", "tree": [], "blob": b"", "document": ""},
    {"tree": "a text", "real": 0.1},
    {},
]


def columns(model):
    """The rows of ``model`` by attribute, as the database gives them."""
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model.objects.order_by("pk").values(*names)
    return [{key: bytes(value) if key == "blob" and value else value for key, value in row.items()} for row in rows]


def assert_replica_equals_master():
    assert [kept.reason for kept in Letter.objects.all()] == []
    assert columns(SpecimenRef) == columns(Specimen)


def test_the_edges_of_every_type_arrive_unharmed(database):
    for values in EDGES:
        Specimen.objects.create(**values)
    testing.deliver()
    assert_replica_equals_master()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({}, optional=STORABLE), min_size=1, max_size=3))
def test_rows_of_any_values_arrive_unharmed(database, rows):
    for values in rows:
        Specimen.objects.create(**{**values, "code": uuid.uuid4()})
    testing.deliver()
    assert_replica_equals_master()


def test_no_file_and_a_file_without_a_name_are_told_apart(database):
    first, second = Specimen.objects.create(), Specimen.objects.create()
    Specimen.objects.filter(pk=first.pk).update(document=None)
    told = [Specimen.objects.get(pk=one.pk).to_cqrs_dict()["document"] for one in (first, second)]
    assert told == [None, ""]


def test_a_foreign_key_to_something_else_than_the_primary_key_arrives(database):
    first = Specimen.objects.create()
    Specimen.objects.create(twin=first)
    testing.deliver()
    assert SpecimenRef.objects.exclude(twin=None).get().twin.pk == first.pk
    assert_replica_equals_master()


def test_a_row_is_updated_in_all_its_columns(database):
    specimen = Specimen.objects.create(text="before", blob=b"before", tree={"before": 1})
    testing.deliver()
    for name, value in {"text": None, "blob": b"after", "tree": {"after": 2}, "big": 5}.items():
        setattr(specimen, name, value)
    specimen.save()
    testing.deliver()
    assert_replica_equals_master()
    assert SpecimenRef.objects.get().cqrs_revision == 1
