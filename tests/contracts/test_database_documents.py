"""A row as PostgreSQL tells it reads as the same values as what Python makes of it."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal

import pytest
from django.db import connections
from django.db.models.signals import post_init
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.database.documents import documents
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.texts import documents_of
from celery_cqrs.message import Message, SignalType, message_text
from celery_cqrs.models import Outbox
from celery_cqrs.serialize import decode_value, encode_instance
from tests.app.masters import Account, Category, Club, Remark, SecretClub
from tests.app.models import Animal, Author, Dog, Plate, Product, Recipe, Shelf, Specimen
from tests.conftest import each_database
from tests.contracts.test_field_values import EMOJI
from tests.contracts.test_values_on_databases import EDGES, STORABLE

on_postgres = pytest.mark.parametrize("uncommitted", each_database(commits=False)[1:2], indirect=True)

TOLD = "id code flag small big price line text day hour moment tree address twin cqrs_revision cqrs_updated".split()
"""The columns of a specimen that the database may tell."""

PRICES = [Decimal("0E-10"), Decimal("-0.0000000001"), Decimal("99999999999999999999.9999999999")]
MOMENTS = [
    datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, datetime.UTC),
    datetime.datetime(2026, 3, 29, 2, 30, 0, 100, datetime.timezone(datetime.timedelta(hours=5, minutes=45))),
]
ODD = [
    *({"price": price} for price in PRICES),
    *({"moment": moment} for moment in MOMENTS),
    {"tree": {"n": [1.5, 1e300, -0.0, 2**70, None, True], EMOJI: '"\\\u2028'}},
    {"hour": datetime.time(0, 0, 0, 10), "day": datetime.date(1, 1, 1)},
    {"address": "::1", "line": "{}", "text": "\x01\x1f\x7f"},
]


def fields_of(model, names):
    return tuple(model._meta.get_field(name) for name in names)


def assert_told_alike(specimens, using="postgres"):
    fields = fields_of(Specimen, TOLD)
    told = documents(using, Specimen, fields).read([str(one.pk) for one in specimens])
    assert told.keys() == {str(one.pk) for one in specimens}
    for one in Specimen.objects.filter(pk__in=told):
        by_database, by_python = json.loads(told[str(one.pk)]), json.loads(json.dumps(encode_instance(one, fields)))
        assert by_database.keys() == by_python.keys()
        for field in fields:
            values = [decode_value(field, by[field.name]) for by in (by_database, by_python)]
            assert values[0] == values[1] and type(values[0]) is type(values[1]), field.name


@on_postgres
@pytest.mark.parametrize("values", [*EDGES, *ODD])
def test_the_edges_of_every_type_are_told_as_python_tells_them(uncommitted, values):
    assert_told_alike([Specimen.objects.create(**values)])


@on_postgres
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({}, optional=STORABLE), min_size=1, max_size=4))
def test_rows_of_any_values_are_told_as_python_tells_them(uncommitted, rows):
    assert_told_alike([Specimen.objects.create(**{**values, "code": uuid.uuid4()}) for values in rows])


@on_postgres
@pytest.mark.parametrize("name", ["real", "span", "blob", "document"])
def test_a_column_whose_json_may_read_otherwise_is_left_to_python(uncommitted, name):
    assert documents("postgres", Specimen, fields_of(Specimen, [*TOLD, name])) is None


@pytest.mark.parametrize("uncommitted", [each_database(commits=False)[0]], indirect=True)
def test_only_postgresql_tells_rows_by_itself(uncommitted):
    assert documents_of(Author, "default") is None


@on_postgres
@pytest.mark.parametrize("model", [Author, Product, Shelf, Plate, Animal, Club, Remark])
def test_models_of_columns_alone_are_told_by_the_database(uncommitted, model):
    assert documents_of(model, "postgres") is not None


@on_postgres
@pytest.mark.parametrize("model", [Recipe, Dog, Account, Category, SecretClub, Specimen])
def test_models_with_a_say_or_a_strange_column_are_told_by_python(uncommitted, model):
    assert documents_of(model, "postgres") is None


@on_postgres
def test_a_receiver_of_loaded_instances_has_them_told_by_python(uncommitted):
    def notice(**_):
        pass

    post_init.connect(notice, sender=Author)
    try:
        assert documents_of(Author, "postgres") is None
    finally:
        post_init.disconnect(notice, sender=Author)
    assert documents_of(Author, "postgres") is not None


@on_postgres
def test_a_column_of_another_type_than_its_field_is_left_to_python(uncommitted):
    fields = fields_of(Author, ["id", "name", "born"])
    with connections["postgres"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {Author._meta.db_table} ALTER born TYPE timestamp")
    assert documents("postgres", Author, fields) is None


@on_postgres
@pytest.mark.parametrize("name", ["Ann", 'a "quoted" \\ name', EMOJI[:40], "", "\x01"])
def test_a_change_told_by_the_database_arrives_as_it_is(uncommitted, name):
    author = Author.objects.create(name=name, born="1900-01-02")
    drain_all(uncommitted)
    (message,) = testing.sent_messages("replica")
    assert message["instance_data"].keys() == author.to_cqrs_dict().keys()
    assert (message["instance_pk"], message["instance_data"]["name"]) == (author.pk, name)


@on_postgres
def test_a_bad_key_among_rows_told_by_the_database_fails_alone(uncommitted):
    Author.objects.create(name="Ann")
    Outbox.objects.create(**{**Outbox.objects.values().get(), "id": None, "pk_text": "no number"})
    drain_all(uncommitted)
    assert len(testing.sent_messages("replica")) == 1
    assert "no number" in Outbox.objects.get(sent_at=None).error


plain = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=4)
objects = st.dictionaries(st.text(max_size=9), plain, max_size=3)
stamps = st.datetimes(timezones=st.just(datetime.UTC))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SignalType), st.text(min_size=1), st.integers() | st.text(), objects, st.none() | objects,
    plain, stamps, st.none() | stamps, st.lists(st.integers(0, 2**63 - 1)),
)  # fmt: skip
def test_a_message_made_of_texts_is_the_message_made_of_values(kind, cqrs_id, pk, data, more, mark, at, expires, ids):
    message = Message(
        kind, cqrs_id, data, pk, previous_data=more, meta=more, correlation_id=mark, captured_at=at, expires=expires,
        outbox_ids=tuple(ids),
    )  # fmt: skip
    whole = message.to_dict()
    names = ("previous_data", "meta", "correlation_id", "captured_at", "expires")
    parts = {name: json.dumps(whole[name]) for name in names}
    text = message_text(str(kind), cqrs_id, pk=json.dumps(pk), data=json.dumps(data), outbox_ids=ids, **parts)
    assert json.loads(text) == whole and list(json.loads(text)) == list(whole)
