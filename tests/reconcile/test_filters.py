"""Filters: what the database chooses by ``cqrs_sync_filter`` is what Python chooses by ``is_sync_instance``."""

from __future__ import annotations

import pytest
from django.db.models import Q

from celery_cqrs.reconcile.digest import HASH
from tests.app.models import Author, Box, Recipe, Shelf
from tests.reconcile.sides import by_python, rows_of_master

SHOWN = ~Q(label__startswith="-")


def filter_by(monkeypatch, model, rule):
    monkeypatch.setattr(model, "cqrs_sync_filter", classmethod(lambda cls: rule))


@pytest.fixture
def boxes(uncommitted):
    """Every third of them is filtered out."""
    shelf = Shelf.objects.create(label="A")
    return [Box.objects.create(shelf=shelf, label=f"{'-' if number % 3 == 0 else ''}{number}") for number in range(12)]


@pytest.mark.parametrize("scheme", ["key", HASH])
def test_a_filter_in_sql_chooses_the_same_rows_as_one_in_python(uncommitted, boxes, monkeypatch, scheme):
    slow = rows_of_master(uncommitted, Box)
    filter_by(monkeypatch, Box, SHOWN)
    fast = rows_of_master(uncommitted, Box)
    slow.scheme = fast.scheme = scheme
    assert slow.table.line() is None and fast.table.line() is not None
    assert list(fast.chunks(5)) == list(slow.chunks(5)) == list(by_python(fast).chunks(5))
    assert sum(digest.count for _, digest in fast.chunks(5)) == 8


def test_chunks_of_a_filtered_table_are_cut_by_all_of_its_rows(uncommitted, boxes, monkeypatch):
    filter_by(monkeypatch, Box, Q(label="nothing like it"))
    chunks = list(rows_of_master(uncommitted, Box).chunks(5))
    bounded = [interval for interval, _ in chunks][1:-1]
    assert [interval.start for interval in bounded] == [boxes[0].pk, boxes[5].pk, boxes[10].pk]
    assert not any(digest.count for _, digest in chunks)


def test_filtered_rows_have_no_state_and_are_present(uncommitted, boxes, monkeypatch):
    filter_by(monkeypatch, Box, SHOWN)
    rows, keys = rows_of_master(uncommitted, Box), [str(box.pk) for box in boxes]
    states, _ = rows.states([interval for interval, _ in rows.chunks(5)], 100)
    assert (
        [state.key for state in states]
        == list(rows.find(keys))
        == [str(box.pk) for box in boxes if box.label[0] != "-"]
    )
    assert rows.present(keys) == set(keys)


@pytest.mark.parametrize("scheme", ["key", HASH])
def test_a_filter_on_many_rows_of_another_table_counts_a_row_once(uncommitted, monkeypatch, scheme):
    recipe, _ = (Recipe.objects.create(title=title) for title in ("soup", "salad"))
    for text in ("cut", "boil", "serve"):
        recipe.steps.create(text=text)
    filter_by(monkeypatch, Recipe, Q(steps__text__in=["cut", "boil", "serve"]))
    rows = rows_of_master(uncommitted, Recipe)
    rows.scheme = scheme
    assert sum(digest.count for _, digest in rows.chunks(10)) == 1
    assert list(rows.chunks(10)) == list(by_python(rows).chunks(10))


@pytest.mark.parametrize("scheme", ["key", HASH])
def test_a_filter_that_nothing_can_satisfy_leaves_no_rows(uncommitted, monkeypatch, scheme):
    Author.objects.create(name="Ann")
    filter_by(monkeypatch, Author, Q(pk__in=[]))
    rows = rows_of_master(uncommitted, Author)
    rows.scheme = scheme
    assert not any(digest.count for _, digest in rows.chunks(10))
