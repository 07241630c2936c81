"""Every value of every field type arrives as it left: instance → JSON → what the replica's field holds."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal

import pytest
from django.contrib.postgres import fields as postgres
from django.db import models
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange, NumericRange
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.serialize import decode_value, encode_field, key_text, key_value, plain_key
from tests.app.models import Product, Shelf, Specimen, SpecimenRef

EMOJI = "naïve 漢字 عربى 👩‍👩‍👧‍👦 \U0001f1e9\U0001f1ea \\ \" ' \n\t\u2028"
utc_moments = st.datetimes(timezones=st.just(datetime.UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]))
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
VALUES = {
    "flag": st.booleans(),
    "small": st.integers(-(2**15), 2**15 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(allow_nan=False),
    "price": st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**19), max_value=10**19),
    "line": texts | st.just(EMOJI),
    "text": texts | st.just(EMOJI),
    "day": st.dates(),
    "hour": st.times(),
    "moment": utc_moments,
    "span": st.timedeltas(),
    "blob": st.binary(),
    "tree": trees,
    "address": st.ip_addresses().map(lambda one: models.GenericIPAddressField().to_python(str(one))),
    "document": st.from_regex(r"\A[a-z]{1,9}/[a-z é]{1,9}\.txt\Z"),
    "code": st.uuids(),
    "twin": st.uuids(),
}


def travel(field, value, onto):
    """``value`` of ``field`` after its way through JSON to the field ``onto`` of a replica."""
    holder = type("Holder", (), {field.attname: value})()
    return decode_value(onto, json.loads(json.dumps(encode_field(field, holder))))


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_value_survives_the_journey(name, data):
    value = data.draw(VALUES[name])
    arrived = travel(Specimen._meta.get_field(name), value, SpecimenRef._meta.get_field(name))
    assert (bytes(arrived) if name == "blob" else arrived) == value
    assert type(arrived) is type(value) or name == "blob"


@pytest.mark.parametrize("name", VALUES)
def test_null_survives_the_journey(name):
    assert travel(Specimen._meta.get_field(name), None, SpecimenRef._meta.get_field(name)) is None


@pytest.mark.parametrize("value", ["0E-10", "-0.0000000001", "99999999999999999999.9999999999", "0.1", "1E+5"])
def test_a_decimal_never_passes_through_a_float(value):
    encoded = encode_field(Specimen._meta.get_field("price"), Specimen(price=Decimal(value)))
    assert isinstance(encoded, str)
    arrived = decode_value(SpecimenRef._meta.get_field("price"), encoded)
    assert arrived.as_tuple() == Decimal(value).as_tuple()


def test_a_moment_keeps_its_microseconds_and_its_zone():
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    value = datetime.datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=zone)
    arrived = travel(Specimen._meta.get_field("moment"), value, SpecimenRef._meta.get_field("moment"))
    assert arrived == value
    assert arrived.microsecond == 1


def test_a_foreign_key_travels_under_its_name_as_the_value_it_points_at():
    code = uuid.uuid4()
    data = Specimen(twin_id=code).to_cqrs_dict()
    assert data["twin"] == str(code)
    assert "twin_id" not in data


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_an_infinite_float_is_valid_json_on_its_way(value):
    field = Specimen._meta.get_field("real")
    encoded = encode_field(field, Specimen(real=value))
    assert json.loads(json.dumps(encoded, allow_nan=False)) == encoded
    assert decode_value(field, encoded) == value


class Grade(models.IntegerChoices):
    GOOD = 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (models.PositiveBigIntegerField(), 2**63 - 1),
        (models.SlugField(), "a-b"),
        (models.EmailField(), "a@example.com"),
        (models.URLField(), "https://example.com/?q=é"),
        (models.IntegerField(choices=Grade.choices), Grade.GOOD),
        (models.ImageField(), "a/b.png"),
        (models.FilePathField(), "/a/b"),
        (models.DecimalField(max_digits=2, decimal_places=0), Decimal("10")),
        (postgres.ArrayField(models.IntegerField()), [1, None, 3]),
        (postgres.ArrayField(models.DecimalField(max_digits=5, decimal_places=2)), [Decimal("1.10"), None]),
        (postgres.ArrayField(postgres.ArrayField(models.CharField())), [["é", "🦉"], ["a,b", '"']]),
        (postgres.ArrayField(models.DateTimeField()), [datetime.datetime(2026, 1, 1, 0, 0, 0, 5, datetime.UTC)]),
        (postgres.ArrayField(models.UUIDField()), [uuid.UUID(int=5)]),
        (postgres.HStoreField(), {"a": "1", "b": None, "é": "🦉"}),
        (postgres.IntegerRangeField(), NumericRange(1, 5, "[)")),
        (postgres.IntegerRangeField(), NumericRange(None, 5, "()")),
        (postgres.IntegerRangeField(), NumericRange(empty=True)),
        (postgres.DecimalRangeField(), NumericRange(Decimal("1.10"), Decimal("2.2"), "[]")),
        (
            postgres.DateTimeRangeField(),
            DateTimeTZRange(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None, "[)"),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, models.Field) else None,
)
def test_the_other_field_types_survive_too(field, value):
    field.set_attributes_from_name("value")
    base = getattr(field, "base_field", None)
    if base is not None and not base.name:
        base.set_attributes_from_name("value")
    assert travel(field, value, field) == value


def test_a_document_with_an_encoder_of_its_own_becomes_plain_json():
    from django.core.serializers.json import DjangoJSONEncoder

    field = models.JSONField(encoder=DjangoJSONEncoder)
    field.set_attributes_from_name("value")
    assert travel(field, {"price": Decimal("1.10"), "at": [uuid.UUID(int=1)]}, field) == {
        "price": "1.10",
        "at": [str(uuid.UUID(int=1))],
    }


@settings(max_examples=50, deadline=None)
@given(st.uuids())
def test_a_uuid_key_is_one_text_whatever_its_spelling(key):
    assert {key_text(Shelf, spelling) for spelling in (key, str(key), key.hex, str(key).upper())} == {str(key)}
    assert key_value(Shelf, str(key)) == key
    assert plain_key(Shelf, str(key)) == str(key)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_an_integer_key_is_one_text_and_travels_as_a_number(key):
    assert key_text(Specimen, key) == key_text(Specimen, str(key)) == str(key)
    assert plain_key(Specimen, str(key)) == key


@settings(max_examples=50, deadline=None)
@given(texts)
def test_a_text_key_is_taken_as_it_is(key):
    assert key_text(Product, key) == key
    assert key_value(Product, key) == key
