"""The bulk path: few statements for many rows, bad rows found without trying each, the same end."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs.mixins import ReplicaMixin
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Waiting
from tests.app.models import AuthorRef, BoxRef, DogRef, ShelfRef, SpecimenRef
from tests.apply.race import stopped
from tests.apply.replicas import Careful
from tests.receive.wire import UPDATED, author, confirmed, deletion, deliver, message

MANY = range(1, 501)
FEW = 30
"""Statements for a batch of 500: transaction, lock, look-ups, and the write in as many parts as the database asks."""


def statements(using, *messages):
    """How many statements it takes to receive ``messages``."""
    with CaptureQueriesContext(connections[using]) as captured:
        deliver(*messages)
    return len(captured)


def test_five_hundred_rows_are_written_in_a_few_statements(database):
    assert statements(database, *(author(pk) for pk in MANY)) < FEW
    assert statements(database, *(author(pk, 1) for pk in MANY)) < FEW
    assert AuthorRef.objects.filter(cqrs_revision=1).count() == 500


def test_five_hundred_rows_are_deleted_in_a_few_statements(database):
    deliver(*(author(pk) for pk in MANY))
    assert statements(database, *(deletion("author", pk, 1) for pk in MANY)) < FEW
    assert not AuthorRef.objects.exists() and Tombstone.objects.filter(side="replica").count() == 500


def test_a_bad_row_among_five_hundred_is_found_without_five_hundred_statements(database):
    rows = [author(pk, rival=999 if pk == 321 else None) for pk in MANY]
    assert statements(database, *rows) < 300
    assert AuthorRef.objects.count() == 499 and len(confirmed()) == 500
    assert Letter.objects.get().pk_text == "321"


def test_many_bad_rows_are_not_looked_for_one_by_one_and_all_end(sqlite):
    deliver(*(message("dog", pk, name="Rex", tricks="many" if pk % 3 == 0 else pk) for pk in MANY))
    assert DogRef.objects.count() + Letter.objects.count() == 500
    assert DogRef.objects.count() == sum(pk % 3 != 0 for pk in MANY)


def test_a_field_that_the_message_lacks_keeps_its_value(database):
    """As old masters send to new replicas."""
    deliver(author(1, 0, born="1990-01-01"))
    without = author(1, 1)
    del without["instance_data"]["born"]
    assert deliver(without) == [Applied()]
    assert str(AuthorRef.objects.get().born) == "1990-01-01"


def test_a_new_row_gets_the_default_of_a_field_that_the_message_lacks(database):
    data = {"flag": True, "code": "c0ffee00-0000-4000-8000-000000000001"}
    deliver(message("specimen", 1, **data))
    assert SpecimenRef.objects.get().line == "-"
    SpecimenRef.objects.update(line="mine")
    deliver(message("specimen", 1, 1, **data))
    row = SpecimenRef.objects.get()
    assert (row.line, row.cqrs_revision) == ("mine", 1)


@pytest.mark.parametrize("value", ["now", "yesterday", "infinity", "1/2/2026", "20260102x", 7])
def test_only_dates_are_dates(database, value):
    """PostgreSQL reads more than a date in a text."""
    deliver(author(1, born=value), author(2, born="2026-01-02"))
    assert AuthorRef.objects.get().pk == 2
    assert Letter.objects.get().pk_text == "1"


def test_a_parent_and_a_child_that_refer_to_each_other_are_one_statement_on_postgresql(server):
    endings = deliver(author(1, rival=2), author(2, rival=1))
    assert {type(ending) for ending in endings} == {Applied if server == "postgres" else Waiting}
    assert set(AuthorRef.objects.values_list("pk", "rival_id")) == {(1, 2), (2, 1)}
    assert not Letter.objects.exists()


def test_a_parent_whose_children_depend_on_it_is_deleted_after_them(database):
    shelf = "c0ffee00-0000-4000-8000-000000000000"
    deliver(message("shelf", shelf, label="top"), message("box", 1, shelf=shelf, label="full"))
    gone = {**deletion("shelf", shelf, 1)}
    assert deliver(gone, deletion("box", 1, 1)) == [Applied(), Applied()]
    assert not ShelfRef.objects.exists() and not BoxRef.objects.exists()


@pytest.mark.parametrize("revision", [2, 4])
def test_a_row_that_appears_in_bulk_beside_an_open_hook_is_updated_by_it_or_stays(server, revision):
    """The hooks' worker holds the absent key by a placeholder, which the bulk path does not look at."""
    deliver(author(600))
    with stopped(server, {**author(1, 3), "cqrs_id": Careful.CQRS_ID}):
        assert deliver(author(1, revision)) == [Applied()]
    assert AuthorRef.objects.get(pk=1).cqrs_revision == max(3, revision)
    assert not Letter.objects.exists()


KINDS = st.sampled_from(["SAVE", "SAVE", "SYNC", "DELETE"])
NAMES = st.sampled_from(["Ann", "Bea", "x" * 51, "\x00", None, 7, True, ["a"]])
BIRTHS = st.sampled_from([None, "1990-01-02", "now", "1990-13-01", 5])
CHANGES = st.tuples(KINDS, st.integers(1, 4), st.integers(0, 4), NAMES, BIRTHS, st.sampled_from([None, None, 1, 9]))
BATCHES = st.lists(st.lists(CHANGES, min_size=1, max_size=8), min_size=1, max_size=4)


def as_message(kind, pk, revision, name, born, rival):
    """A change as it travels."""
    if kind == "DELETE":
        return deletion("author", pk, revision)
    return author(pk, revision, kind, name=name, born=born, rival=rival)


def story(batches, how):
    """What is there after ``batches`` have come: rows, tombstones, letters."""
    for model in (Letter, Tombstone):
        model.objects.all().delete()
    AuthorRef.objects.update(rival=None)
    AuthorRef.objects.all().delete()
    ReplicaMixin.CQRS_APPLY = how
    try:
        for changes in batches:
            deliver(*(as_message(*change) for change in changes))
    finally:
        ReplicaMixin.CQRS_APPLY = "auto"
    rows = AuthorRef.objects.order_by("pk").values_list("pk", "cqrs_revision", "name", "born", "rival_id")
    graves = Tombstone.objects.order_by("pk_text").values_list("pk_text", "revision")
    letters = Letter.objects.order_by("pk_text").values_list("pk_text", "revision", "signal_type", "state")
    return list(rows), list(graves), list(letters)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_both_paths_end_alike_whatever_comes(database, batches):
    assert story(batches, "auto") == story(batches, "instance")


VALUES = {
    "flag": [True, False, None, "t", 1],
    "small": [0, -5, 1.0, "7", 2**40, True],
    "real": [0, 1.5, "2.5", None],
    "price": ["1.5000000000", 7, "NaN", "1e3", 2.5],
    "line": ["text", 5, "é🦉", "x" * 101],
    "hour": ["23:59:59.000001", "25:00", "12:00:00+02:00", "23:59:59.9999999"],
    "moment": [UPDATED, "2026-01-02T03:04:05", "infinity", "2026-01-02", "2026-01-02T23:59:59.9999999+00:00"],
    "span": ["P1DT02H03M04.5S", "-P0DT01H00M00S", "1 day"],
    "blob": ["AAEC", "not base64!", ""],
    "tree": [{"a": [1, None]}, [], "text", 1, True],
    "address": ["10.0.0.1", "::1", "::ffff:10.0.0.1", "10.0.0.0/8", "nonsense"],
    "document": ["a/b.txt", "", None],
    "code": ["c0ffee00-0000-4000-8000-000000000000", "c0ffee00000040008000000000000000", "no"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_both_paths_take_the_same_values_for_the_same(database, name, value):
    def kept(how):
        for model in (Letter, SpecimenRef):
            model.objects.all().delete()
        ReplicaMixin.CQRS_APPLY = how
        try:
            deliver(
                message("specimen", 1, **{"line": "-", "code": "c0ffee00-0000-4000-8000-000000000009", name: value})
            )
        finally:
            ReplicaMixin.CQRS_APPLY = "auto"
        found = list(SpecimenRef.objects.values_list(name, flat=True))
        return [bytes(one) if isinstance(one, memoryview) else one for one in found], Letter.objects.count()

    assert kept("auto") == kept("instance")
