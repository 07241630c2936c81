"""Master data → replica data: renamed, cut to the fields of the replica, decoded, and refused when they do not fit."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pytest

from celery_cqrs.exceptions import MappingFailed
from celery_cqrs.replica.mapping import by_attribute, map_data, map_key, map_previous, primary_key_in
from tests.app.models import AuthorRef, BoxRef, PlateRef, ProductRef, ShelfRef, SpecimenRef
from tests.apply.replicas import AsItCame, ByAttribute, Renamed

pytestmark = pytest.mark.usefixtures("each_path")

UPDATED = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
OWN = {"cqrs_revision": 3, "cqrs_updated": UPDATED.isoformat()}
MAPPED_OWN = {"cqrs_revision": 3, "cqrs_updated": UPDATED}


def refusal(model, data):
    with pytest.raises(MappingFailed) as caught:
        map_data(model, {**OWN, **data})
    return str(caught.value)


def test_without_a_mapping_the_names_stay_the_same():
    mapped = map_data(AuthorRef, {**OWN, "id": 1, "name": "Ann", "born": "1899-12-31", "rival": 2})
    assert mapped == {"id": 1, "name": "Ann", "born": datetime.date(1899, 12, 31), "rival": 2, **MAPPED_OWN}


def test_a_mapping_renames_fields_and_the_primary_key():
    mapped = map_data(ProductRef, {**OWN, "sku": "a", "title": "thing", "price": "1.10000001"})
    assert mapped == {"code": "a", "name": "thing", "price": Decimal("1.10000001"), **MAPPED_OWN}


def test_a_mapping_may_give_every_field_another_name():
    mapped = map_data(Renamed, {**OWN, "number": "5", "called": "Rex", "skill": 2})
    assert mapped == {"id": 5, "name": "Rex", "tricks": 2, **MAPPED_OWN}


def test_excess_fields_are_dropped_without_a_mapping():
    mapped = map_data(ShelfRef, {**OWN, "id": str(uuid.UUID(int=1)), "label": "top", "colour": "red", "nested": {}})
    assert mapped.keys() == {"id", "label", "cqrs_revision", "cqrs_updated"}


def test_excess_fields_are_dropped_with_a_mapping():
    mapped = map_data(ProductRef, {**OWN, "sku": "a", "title": "t", "price": 1, "secret": "s", "name": "not mine"})
    assert mapped.keys() == {"code", "name", "price", "cqrs_revision", "cqrs_updated"}
    assert mapped["name"] == "t"


@pytest.mark.parametrize("missing", ["sku", "title", "price"])
def test_a_mapped_field_that_is_missing_is_named(missing):
    data = {"sku": "a", "title": "t", "price": "1"}
    del data[missing]
    assert f"'{missing}'" in refusal(ProductRef, data)


def test_a_missing_primary_key_is_named():
    assert "'id'" in refusal(AuthorRef, {"name": "Ann"})


def test_missing_required_fields_are_all_named():
    text = refusal(BoxRef, {"id": 1})
    assert "shelf" in text
    assert "label" in text


def test_fields_that_may_be_null_or_have_a_default_may_be_missing():
    assert map_data(AuthorRef, {**OWN, "id": 1, "name": "Ann"}) == {"id": 1, "name": "Ann", **MAPPED_OWN}
    assert "line" not in map_data(SpecimenRef, {**OWN, "id": 1})


def test_null_is_taken_by_a_field_that_may_be_null():
    assert map_data(AuthorRef, {**OWN, "id": 1, "name": "A", "born": None, "rival": None})["born"] is None


@pytest.mark.parametrize("name", ["name", "id"])
def test_null_is_refused_by_name_for_a_field_that_may_not_be_null(name):
    assert name in refusal(AuthorRef, {"id": 1, "name": "Ann", name: None})


def test_a_time_of_update_that_is_null_or_no_time_is_refused():
    assert "cqrs_updated" in refusal(AuthorRef, {"id": 1, "name": "Ann", "cqrs_updated": None})
    assert "cqrs_updated" in refusal(AuthorRef, {"id": 1, "name": "Ann", "cqrs_updated": "now"})


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (AuthorRef, {"id": "one", "name": "Ann"}),
        (AuthorRef, {"id": [1], "name": "Ann"}),
        (AuthorRef, {"id": 1, "name": "Ann", "born": "1899-13-31"}),
        (AuthorRef, {"id": 1, "name": "Ann", "born": 5}),
        (AuthorRef, {"id": 1, "name": "Ann", "rival": "someone"}),
        (AuthorRef, {"id": 1, "name": {"first": "Ann"}}),
        (AuthorRef, {"id": 1, "name": ["Ann"]}),
        (ProductRef, {"sku": "a", "title": "t", "price": "a lot"}),
        (ProductRef, {"sku": "a", "title": "t", "price": "NaN"}),
        (ProductRef, {"sku": "a", "title": "t", "price": {}}),
        (ProductRef, {"sku": {"a": 1}, "title": "t", "price": "1"}),
        (ShelfRef, {"id": "not a uuid", "label": "top"}),
        (ShelfRef, {"id": -1, "label": "top"}),
        (SpecimenRef, {"id": 1, "small": 1.5}),
        (SpecimenRef, {"id": 1, "flag": "perhaps"}),
        (SpecimenRef, {"id": 1, "moment": "2026-02-30T00:00:00"}),
        (SpecimenRef, {"id": 1, "hour": "25:00"}),
        (SpecimenRef, {"id": 1, "span": "a while"}),
        (SpecimenRef, {"id": 1, "span": 5}),
        (SpecimenRef, {"id": 1, "blob": "é"}),
        (SpecimenRef, {"id": 1, "blob": 5}),
        (SpecimenRef, {"id": 1, "blob": "not base64!"}),
        (SpecimenRef, {"id": 1, "text": {"a": 1}}),
        (SpecimenRef, {"id": 1, "real": "fast"}),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_without_quoting_it(model, data):
    text = refusal(model, data)
    assert f"does not fit replica model {model.__name__}" in text
    assert "Ann" not in text


def test_a_foreign_key_is_set_by_its_value_under_either_name():
    for name in ("rival", "rival_id"):
        mapped = map_data(AuthorRef, {**OWN, "id": 1, "name": "Ann", name: "7"})
        assert by_attribute(AuthorRef, mapped)["rival_id"] == 7


def test_a_mapping_may_name_the_column_of_a_foreign_key():
    mapped = map_data(ByAttribute, {**OWN, "id": 1, "name": "Ann", "enemy": 7})
    assert by_attribute(ByAttribute, mapped)["rival_id"] == 7


def test_a_foreign_key_on_the_master_may_be_a_plain_value_here():
    key = uuid.UUID(int=5)
    mapped = map_data(PlateRef, {**OWN, "shelf": str(key), "is_hidden": False})
    assert mapped["shelf_key"] == key


def test_custom_serialization_gets_the_data_as_they_came_under_the_new_names():
    mapped = map_data(AsItCame, {**OWN, "sku": ["a"], "price": {"any": "thing"}, "title": "dropped"})
    assert mapped == {"code": ["a"], "price": {"any": "thing"}, **OWN}


@pytest.mark.parametrize(
    ("model", "previous", "expected"),
    [
        (AuthorRef, None, None),
        (AuthorRef, {"name": "before"}, {"name": "before"}),
        (ProductRef, {"title": "before", "secret": "s"}, {"name": "before"}),
        (ProductRef, {}, {}),
        (ByAttribute, {"enemy": 5}, {"rival_id": 5}),
    ],
)
def test_previous_values_get_the_names_of_the_replica(model, previous, expected):
    assert map_previous(model, previous) == expected


def test_the_primary_key_is_found_under_the_name_the_master_has_for_it():
    assert primary_key_in(ProductRef, {"sku": "a", "code": "b"}) == "a"
    assert primary_key_in(AuthorRef, {"id": 1}) == 1


@pytest.mark.parametrize("key", [None, "", "one", [1], {}])
def test_a_primary_key_that_is_none_is_refused(key):
    with pytest.raises(MappingFailed):
        map_key(AuthorRef, key)
