"""What a worker could not decode stays on the master with a sentence: Celery would drop its whole batch."""

import json
from functools import reduce

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.master import bundles
from celery_cqrs.master.decodable import MOST_DIGITS, MOST_LEVELS, problem_of
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox
from tests.app.models import Charter, CharterRef
from tests.conftest import each_database

MESSAGE_LEVELS = 2
DEEPEST = MOST_LEVELS - MESSAGE_LEVELS
COUNTS = pytest.mark.parametrize("count", [3, bundles.LEAST_KEYS], ids=["rows", "bundle"])
where_json_is_deep = pytest.mark.parametrize("uncommitted", each_database(commits=False)[:2], indirect=True)
"""MariaDB takes 32 levels."""
on_postgres = pytest.mark.parametrize("uncommitted", each_database(commits=False)[1:2], indirect=True)


def nested(levels):
    return reduce(lambda inner, _: [inner], range(levels), 0)


def create(count, **bad):
    """So many charters, of which the second is bad."""
    Charter.cqrs.bulk_create([Charter(pk=number, **(bad if number == 2 else {})) for number in range(1, count + 1)])


def keys_sent():
    return [message["instance_pk"] for message in testing.sent_messages("replica")]


@COUNTS
@where_json_is_deep
def test_a_row_that_is_nested_too_deep_waits_with_a_sentence_and_its_neighbours_go(uncommitted, count):
    create(count, tree=nested(DEEPEST + 1))
    drain_all(uncommitted)
    assert keys_sent() == [1, *range(3, count + 1)]
    (row,) = Outbox.objects.filter(pk_text="2", sent_at=None)
    assert f"Charter 2 cannot be serialized: its JSON is nested more than {MOST_LEVELS} levels deep" in row.error


@COUNTS
@on_postgres
def test_a_number_that_only_the_database_can_read_waits_with_a_sentence_too(uncommitted, count):
    create(count)
    with connections[uncommitted].cursor() as cursor:
        cursor.execute(f"UPDATE c SET tree = '{{\"a\": 1e{MOST_DIGITS}}}' WHERE id = 2")
    drain_all(uncommitted)
    assert keys_sent() == [1, *range(3, count + 1)]
    assert "Store that number as a text." in Outbox.objects.get(pk_text="2", sent_at=None).error


@COUNTS
@where_json_is_deep
@pytest.mark.parametrize("how", ["auto", "instance"])
def test_the_deepest_document_that_goes_arrives_whichever_way_it_is_written(uncommitted, count, how, monkeypatch):
    monkeypatch.setattr(CharterRef, "CQRS_APPLY", how)
    create(count, tree=nested(DEEPEST))
    drain_all(uncommitted)
    testing.deliver()
    assert CharterRef.objects.get(pk=2).tree == nested(DEEPEST) and CharterRef.objects.count() == count


def test_digits_and_brackets_inside_of_texts_are_no_harm():
    assert problem_of(json.dumps({"a": "[{" * MOST_LEVELS, '"[': "9" * (MOST_DIGITS + 1), "\\": ["[" * 300]})) is None


@given(st.integers(1, 2 * MOST_LEVELS), st.recursive(st.text(), lambda inner: st.lists(inner) | st.tuples(inner)))
def test_it_is_the_deepest_place_that_counts(levels, beside):
    text = json.dumps([beside, nested(levels - 1)])
    assert (problem_of(text) is not None) == (levels > MOST_LEVELS)
