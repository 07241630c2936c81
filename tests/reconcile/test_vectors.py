"""The test vectors: every database, and Python, must make the same texts and digests of the same values and rows."""

from __future__ import annotations

import pytest
from django.db.models import TextField

from celery_cqrs.reconcile.canonical import Framed
from celery_cqrs.reconcile.digest import HASH, KEY, Interval, hash_of, position_of
from celery_cqrs.reconcile.kinds import framed
from celery_cqrs.serialize import key_text
from tests.app.models import Specimen
from tests.reconcile.sides import by_python, rows_of_master
from tests.reconcile.vectors import MODELS, VALUES, VECTORS, create_rows, create_specimens, digest

WHOLE = {KEY: Interval(None, None), HASH: Interval(0, 2**32)}
models = pytest.mark.parametrize("name", MODELS)


@pytest.fixture
def columns(uncommitted):
    """The columns of a specimen, by attribute."""
    return {column.attname: column for column in rows_of_master(uncommitted, Specimen).table.columns}


def test_python_makes_the_text_of_every_value(columns, uncommitted):
    stored = dict(zip(create_specimens(), VALUES, strict=True))
    for pk, (field, _, text) in stored.items():
        assert columns[field].text(getattr(Specimen.objects.get(pk=pk), field)) == text


def test_the_database_makes_the_same_texts(columns, uncommitted):
    stored = dict(zip(create_specimens(), VALUES, strict=True))
    for pk, (field, _, text) in stored.items():
        if columns[field].sql is not None:
            made = Specimen.objects.annotate(made=Framed(columns[field].sql, output_field=TextField())).get(pk=pk).made
            assert made == framed(text, columns[field].kind)


def test_only_few_kinds_of_values_need_python(columns, uncommitted):
    slow = {name for name, column in columns.items() if column.sql is None}
    assert slow - {"span"} == {"real", "tree"}


@models
@pytest.mark.parametrize("depth", ["quick", "deep"])
def test_rows_have_the_digests_of_the_vectors(uncommitted, name, depth):
    vector = VECTORS["models"][name]
    create_rows(MODELS[name], vector["rows"])
    rows = rows_of_master(uncommitted, MODELS[name], deep=depth == "deep")
    whole = [WHOLE[rows.scheme]]
    assert rows.table.line() is not None
    assert rows.digests(whole) == by_python(rows).digests(whole) == [digest(vector[depth])]


@models
def test_rows_have_the_states_of_the_vectors(uncommitted, name):
    vector, model = VECTORS["models"][name], MODELS[name]
    create_rows(model, vector["rows"])
    rows = rows_of_master(uncommitted, model)
    states, _ = rows.states([WHOLE[rows.scheme]], 10)
    keys = [key_text(model, values[model._meta.pk.name]) for values in vector["rows"]]
    expected = {key: hash_of(content) for key, content in zip(keys, vector["contents"], strict=True)}
    assert {state.key: state.content for state in states} == expected
    assert by_python(rows).states([WHOLE[rows.scheme]], 10) == (states, None)


@pytest.mark.parametrize("name", [name for name, vector in VECTORS["models"].items() if "positions" in vector])
def test_keys_have_the_positions_of_the_vectors(uncommitted, name):
    vector, model = VECTORS["models"][name], MODELS[name]
    create_rows(model, vector["rows"])
    rows = rows_of_master(uncommitted, model)
    assert sorted(position for position, _ in rows.positions()) == sorted(vector["positions"])
    assert [
        position_of(rows.table.key.text(model._base_manager.get(pk=one).pk))
        for one in (values[model._meta.pk.name] for values in vector["rows"])
    ] == vector["positions"]
