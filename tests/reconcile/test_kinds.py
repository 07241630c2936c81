"""Kinds: which fields are of the same one, and one text for values that are equal."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.postgres import fields as postgres
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs.reconcile.kinds import decimal_text, framed, json_text, kind_of, kind_of_key, number_text, text_maker
from tests.app.models import Author, Plate, Specimen
from tests.contracts.test_field_values import trees


class Cents(models.IntegerField):
    """Holds its values another way than integers."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else Decimal(value) / 100


class ShortText(models.CharField):
    """Holds its values as any text."""

    def __init__(self):
        super().__init__(max_length=5)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (models.PositiveSmallIntegerField(), "integer"),
        (models.BigAutoField(primary_key=True), "integer"),
        (models.EmailField(), "text"),
        (models.ImageField(), "text"),
        (ShortText(), "text"),
        (Author._meta.get_field("rival"), "integer"),
        (Plate._meta.pk, "uuid"),
        (Specimen._meta.get_field("twin"), "uuid"),
        (Cents(), f"other:{__name__}.Cents"),
        (postgres.ArrayField(models.IntegerField()), "other:django.contrib.postgres.fields.array.ArrayField[integer]"),
    ],
)
def test_fields_that_hold_their_values_alike_are_of_one_kind(field, kind):
    assert kind_of(field, "default") == kind


def test_sqlite_compares_long_decimals_with_its_like_alone():
    short, long = (models.DecimalField(max_digits=digits, decimal_places=2) for digits in (15, 16))
    assert (kind_of(short, "default"), kind_of(long, "default")) == ("decimal", "decimal~15")


def test_decimals_as_keys_need_the_same_places():
    assert kind_of_key(models.DecimalField(max_digits=9, decimal_places=2), "default") == "decimal:2"


@pytest.mark.parametrize(
    ("use_tz", "zone", "kind"),
    [(True, "Europe/Berlin", "moment"), (False, "Europe/Berlin", "moment@Europe/Berlin"), (False, "UTC", "moment")],
)
def test_moments_without_a_zone_are_compared_in_their_own_zone_alone(settings, use_tz, zone, kind):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    assert kind_of(models.DateTimeField(), "default") == kind


def test_a_moment_is_one_text_whatever_its_zone():
    text = text_maker(Specimen._meta.get_field("moment"), "moment")
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert (
        text(moment)
        == text(moment.astimezone(timezone(timedelta(hours=5, minutes=45))))
        == "2026-03-29 01:30:00.000000"
    )


def test_a_key_that_a_replica_keeps_as_a_text_is_written_as_it_travels():
    key = UUID("0a1b2c3d-0000-4000-8000-00000000abcd")
    assert text_maker(Plate._meta.pk, "text")(key) == str(key)
    assert text_maker(Author._meta.pk, "text")(7) == "7"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.integers(0, 9))
def test_decimals_that_are_equal_have_one_text(value, zeros):
    longer = Decimal(f"{value:f}" + "0" * zeros)
    assert decimal_text(value) == decimal_text(longer)
    assert Decimal(decimal_text(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_in_json_that_are_equal_have_one_text(number):
    assert Decimal(number_text(number)) == Decimal(repr(number))
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        assert number_text(number) == number_text(int(number))


@given(trees)
def test_json_has_one_text_after_any_journey(tree):
    assert json_text(tree) == json_text(json.loads(json.dumps(tree, sort_keys=True)))
    assert json.loads(json_text(tree), parse_float=Decimal) == in_decimals(tree)


def in_decimals(tree):
    """The same with numbers as they are written: a float holds fewer digits than a whole number may have."""
    if isinstance(tree, dict):
        return {key: in_decimals(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [in_decimals(value) for value in tree]
    return Decimal(repr(tree)) if isinstance(tree, int | float) and not isinstance(tree, bool) else tree


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_texts_in_a_row_can_be_told_apart(texts):
    """The frames can be taken apart again, so no two lists of texts look the same."""
    left, found = "".join(framed(text, "text") for text in texts).encode(), []
    while left:
        if left.startswith(b"~,"):
            found, left = [*found, None], left[2:]
            continue
        size, _, rest = left.partition(b":")
        found, left = [*found, rest[: int(size)].decode()], rest[int(size) + 1 :]
    assert found == texts


def test_dates_are_written_in_full():
    assert text_maker(Specimen._meta.get_field("day"), "date")(date(1, 2, 3)) == "0001-02-03"
