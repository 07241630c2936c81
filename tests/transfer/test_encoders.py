"""Rows are told by columns exactly as by instances."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.master.fields import OWN_FIELDS
from celery_cqrs.serialize import encode_field
from celery_cqrs.transfer.encoders import Encoder, encoder_of
from tests.app.masters import Account, Category, Remark
from tests.app.models import Author, Box, Plate, Product, Recipe, Specimen
from tests.contracts.test_field_values import VALUES


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_column_is_told_as_its_field_tells_it(name, data):
    field, value = Specimen._meta.get_field(name), data.draw(st.none() | VALUES[name])
    holder = type("Holder", (), {field.attname: value})()
    told = "" if name == "document" and value is None else encode_field(field, holder)
    (text,) = Encoder([field]).texts([(value,)])
    assert json.loads(text) == {name: told}


@pytest.mark.parametrize("model", [Author, Product, Plate, Specimen, Category, Remark], ids=lambda one: one.__name__)
def test_plain_models_are_told_by_their_columns(model):
    names = encoder_of(model, None).names
    assert {"cqrs_revision", "cqrs_updated"} <= set(names) and model._meta.pk.attname in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", [Recipe, Account, Box], ids=["to_cqrs_dict", "serializer", "filter"])
def test_what_only_an_instance_knows_is_asked_of_instances(model):
    assert encoder_of(model, None) is None


def test_a_name_with_a_percent_sign_stays_one():
    field = Author._meta.get_field("name").clone()
    field.name, field.attname = "share in %", "name"
    assert json.loads(Encoder([field]).texts([("a",), (None,)])[1]) == {"share in %": None}
    assert OWN_FIELDS == ("cqrs_revision", "cqrs_updated")
