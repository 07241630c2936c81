"""The rows of one side: chunks that cover every position, digests that add up, states page by page, rows by key."""

from __future__ import annotations

import datetime
import uuid
from itertools import pairwise

import pytest

from celery_cqrs.reconcile.columns import (
    Column,
    columns_of_master,
    columns_shared,
    key_kind,
    key_kind_shared,
    scheme_for,
)
from celery_cqrs.reconcile.digest import HASH, KEY, POSITIONS, ZERO, Interval, digest_of_line, from_position
from celery_cqrs.reconcile.rows import RowState, master_rows, replica_rows
from tests.app.models import Author, AuthorRef, Box, BoxRef, Dog, DogRef, Plate, PlateRef, Product, ProductRef, Shelf


def rows_of_master(using, model, queue="replica", deep=True):
    columns = columns_of_master(model, using, queue) if deep else []
    kind = key_kind(model, using)
    return master_rows(model, using, queue, columns, scheme_for(kind), kind)


def make_authors(count):
    Author.cqrs.bulk_create([Author(id=number, name=f"Author {number}") for number in range(1, count + 1)])


def test_chunks_cover_every_position_from_the_lowest_on(uncommitted):
    make_authors(25)
    rows = rows_of_master(uncommitted, Author)
    chunks = list(rows.chunks(10))
    assert [interval for interval, _ in chunks] == [
        Interval(None, 1),
        Interval(1, 11),
        Interval(11, 21),
        Interval(21, 26),
        Interval(26, None),
    ]
    assert [digest.count for _, digest in chunks] == [0, 10, 10, 5, 0]
    assert rows.digests([interval for interval, _ in chunks]) == [digest for _, digest in chunks]


def test_chunks_go_on_where_they_were_interrupted(uncommitted):
    make_authors(25)
    rows = rows_of_master(uncommitted, Author)
    assert list(rows.chunks(10, resume_at=11)) == list(rows.chunks(10))[2:]


def test_an_empty_table_is_one_open_chunk(uncommitted):
    assert list(rows_of_master(uncommitted, Author).chunks(10)) == [(Interval(None, None), ZERO)]


def test_slices_of_a_chunk_hold_all_of_its_rows(uncommitted):
    make_authors(200)
    rows = rows_of_master(uncommitted, Author)
    interval = Interval(1, 101)
    assert len(rows.slices(interval)) == len(interval.slices()) <= 64
    assert [digest.count for digest in rows.slices(interval)] == [2] * 50


def test_chunks_of_hashed_keys_cover_every_position(uncommitted):
    for number in range(40):
        Shelf.objects.create(label=f"Shelf {number}")
    rows = rows_of_master(uncommitted, Shelf)
    intervals = [interval for interval, _ in rows.chunks(10)]
    assert intervals[0].start == 0 and intervals[-1].end == POSITIONS
    assert all(one.end == other.start for one, other in pairwise(intervals))
    assert sum(digest.count for _, digest in rows.chunks(10)) == 40
    assert [digest for _, digest in rows.chunks(10)] == rows.digests(intervals)


@pytest.mark.parametrize("model", [Author, Shelf])
def test_no_intervals_have_no_digests(uncommitted, model):
    model.objects.create()
    rows = rows_of_master(uncommitted, model)
    assert rows.digests([]) == [] and rows.states([], 5) == ([], None)


@pytest.mark.parametrize("model", [Author, Shelf])
def test_states_come_page_by_page_in_the_order_of_positions(uncommitted, model):
    for number in range(30):
        model.objects.create(**{"label" if model is Shelf else "name": str(number)})
    rows, found, left = rows_of_master(uncommitted, model), [], [Interval(None, None)]
    while left:
        page, position = rows.states(left, 7)
        assert len(page) <= 7
        found += page
        left = [] if position is None else from_position(left, position)
    assert len({state.key for state in found}) == len(found) == 30
    assert rows.find([state.key for state in found]) == {state.key: state for state in found}


def test_a_key_that_is_none_of_the_model_is_not_found(uncommitted):
    rows = rows_of_master(uncommitted, Author)
    assert rows.find(["x", "9" * 30, ""]) == {} and rows.present(["x", "9" * 30, ""]) == set()


def test_a_filter_in_python_hides_rows_but_not_their_presence(uncommitted):
    shelf = Shelf.objects.create(label="A")
    shown, hidden = Box.objects.create(shelf=shelf, label="a"), Box.objects.create(shelf=shelf, label="-a")
    rows = rows_of_master(uncommitted, Box)
    assert sum(digest.count for _, digest in rows.chunks(10)) == 1
    keys = [str(shown.pk), str(hidden.pk)]
    assert set(rows.find(keys)) == {str(shown.pk)} and rows.present(keys) == set(keys)


def test_the_content_is_hashed_only_in_a_deep_comparison(uncommitted):
    Author.objects.create(id=5, name="Ann")
    assert rows_of_master(uncommitted, Author, deep=False).find(["5"]) == {"5": RowState("5", 0)}
    deep = rows_of_master(uncommitted, Author)
    before = deep.find(["5"])["5"]
    Author.objects.update(born=datetime.date(2000, 1, 1))
    assert before.content != deep.find(["5"])["5"].content


def test_the_revision_is_part_of_the_digest(uncommitted):
    Author.objects.create(id=5, name="Ann").save()
    rows = rows_of_master(uncommitted, Author, deep=False)
    assert rows.digests([Interval(5, 6)]) == [digest_of_line("5:1")]


def test_a_child_table_is_read_with_its_parents_columns(uncommitted):
    dog = Dog.objects.create(name="Rex", tricks=3)
    rows = rows_of_master(uncommitted, Dog)
    before = rows.find([str(dog.pk)])
    Dog.objects.update(name="Max")
    assert before.keys() == rows.find([str(dog.pk)]).keys() and before != rows.find([str(dog.pk)])


def shared(using, master, replica, queue="replica"):
    return [column.name for column in columns_shared(replica, using, columns_of_master(master, using, queue))]


def test_columns_are_shared_by_the_names_of_the_master(uncommitted):
    assert shared(uncommitted, Author, AuthorRef) == ["name", "born", "rival"]
    assert shared(uncommitted, Product, ProductRef) == ["title", "price"]
    assert shared(uncommitted, Box, BoxRef) == ["shelf", "label"]
    assert shared(uncommitted, Dog, DogRef) == ["name", "tricks"]
    assert shared(uncommitted, Plate, PlateRef) == ["is_hidden"]


def test_columns_of_another_kind_are_not_compared(uncommitted):
    assert columns_shared(AuthorRef, uncommitted, [Column("name", "integer"), Column("nothing", "text")]) == []


def test_positions_are_keys_only_where_both_sides_have_whole_numbers(uncommitted):
    assert scheme_for(key_kind_shared(AuthorRef, uncommitted, "integer")) == KEY
    assert scheme_for(key_kind_shared(ProductRef, uncommitted, "integer")) == HASH
    assert key_kind_shared(AuthorRef, uncommitted, "text") is None


def test_a_master_and_its_mapped_replica_have_equal_digests(uncommitted):
    Product.objects.create(sku="Ä1", title="Tee", price="1.50")
    ProductRef.objects.create(
        code="Ä1", name="Tee", price="1.5", cqrs_revision=0, cqrs_updated=datetime.datetime.now(datetime.UTC)
    )
    master = rows_of_master(uncommitted, Product)
    columns = columns_shared(ProductRef, uncommitted, columns_of_master(Product, uncommitted, "replica"))
    replica = replica_rows(ProductRef, uncommitted, columns, HASH, "text")
    assert replica.digests([Interval(0, POSITIONS)]) == master.digests([Interval(0, POSITIONS)]) != [ZERO]


def test_a_uuid_is_found_by_the_text_of_its_key(uncommitted):
    key = uuid.uuid4()
    Shelf.objects.create(id=key, label="A")
    assert set(rows_of_master(uncommitted, Shelf).find([str(key)])) == {str(key)}
