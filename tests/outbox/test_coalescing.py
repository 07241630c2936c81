"""Many rows of one key become a few messages, by a pure function."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.master.coalesce import coalesce
from celery_cqrs.models import Outbox


def row(number, signal_type="SAVE", pk="1", *, queue="shop", cqrs_id="author", direct=False, previous=None, **values):
    return Outbox(
        id=number,
        signal_type=signal_type,
        pk_text=pk,
        queue=queue,
        cqrs_id=cqrs_id,
        direct=direct,
        previous_data=previous,
        **values,
    )


def told(rows):
    """The planned messages as (signal type, row ids)."""
    return [(str(plan.signal_type), tuple(one.id for one in plan.rows)) for plan in coalesce(rows)]


@pytest.mark.parametrize(
    ("signal_types", "messages"),
    [
        ("", []),
        ("S", [("SAVE", (1,))]),
        ("SSS", [("SAVE", (1, 2, 3))]),
        ("D", [("DELETE", (1,))]),
        ("SD", [("DELETE", (1, 2))]),
        ("DS", [("DELETE", (1,)), ("SAVE", (2,))]),
        ("SDSS", [("DELETE", (1, 2)), ("SAVE", (3, 4))]),
        ("SDSD", [("DELETE", (1, 2, 3, 4))]),
        ("DSDS", [("DELETE", (1, 2, 3)), ("SAVE", (4,))]),
        ("Y", [("SYNC", (1,))]),
        ("YY", [("SYNC", (1, 2))]),
        ("SY", [("SAVE", (1,)), ("SYNC", (2,))]),
        ("YS", [("SAVE", (2,)), ("SYNC", (1,))]),
        ("SYSY", [("SAVE", (1, 3)), ("SYNC", (2, 4))]),
        ("YD", [("DELETE", (1, 2))]),
        ("SYDYS", [("DELETE", (1, 2, 3)), ("SAVE", (5,)), ("SYNC", (4,))]),
    ],
)
def test_rows_of_one_key_become_the_last_deletion_a_save_and_a_sync_in_this_order(signal_types, messages):
    names = {"S": "SAVE", "D": "DELETE", "Y": "SYNC"}
    assert told([row(number, names[letter]) for number, letter in enumerate(signal_types, 1)]) == messages


def test_a_sync_for_one_queue_alone_stays_apart_from_a_sync_for_all():
    assert sorted(told([row(1, "SYNC", direct=True), row(2, "SYNC")])) == [("SYNC", (1,)), ("SYNC", (2,))]


def test_keys_models_and_queues_are_not_mixed():
    rows = [row(1), row(2, pk="2"), row(3, queue="search"), row(4, cqrs_id="product"), row(5, pk="01")]
    assert told(rows) == [("SAVE", (number,)) for number in (1, 2, 3, 4, 5)]


def test_messages_of_different_keys_keep_the_order_of_their_rows():
    assert told([row(1, pk="b"), row(2, pk="a"), row(3, pk="c")]) == [("SAVE", (1,)), ("SAVE", (2,)), ("SAVE", (3,))]


def test_the_earliest_previous_value_of_each_field_travels():
    rows = [
        row(1, previous={"name": "a"}),
        row(2, previous={"name": "b", "born": None}),
        row(3, previous={"born": "1900-01-01", "rival": 7}),
    ]
    assert coalesce(rows)[0].previous_data == {"name": "a", "born": None, "rival": 7}


def test_rows_without_previous_values_make_no_previous_values():
    assert coalesce([row(1), row(2)])[0].previous_data is None


def test_an_empty_change_among_others_does_not_hide_them():
    assert coalesce([row(1, previous={}), row(2, previous={"name": "a"})])[0].previous_data == {"name": "a"}


def test_the_newest_row_lends_its_meta_and_correlation_id():
    rows = [row(1, meta={"n": 1}, correlation_id="x"), row(2, meta={"n": 2}, correlation_id="y")]
    last = coalesce(rows)[0].last
    assert (last.meta, last.correlation_id) == ({"n": 2}, "y")


def test_a_deletion_lends_its_own_revision_and_data():
    rows = [row(1, revision=4), row(2, "DELETE", revision=5, custom={"a": 1}), row(3, revision=6)]
    deletion = coalesce(rows)[0]
    assert (deletion.last.revision, deletion.last.custom) == (5, {"a": 1})


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["SAVE", "DELETE", "SYNC"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from(["shop", "search"]),
        st.booleans(),
        st.none() | st.dictionaries(st.sampled_from(["name", "born"]), st.integers(), max_size=2),
    ),
    max_size=25,
).map(
    lambda drawn: [
        row(number, kind, pk, queue=queue, direct=direct and kind == "SYNC", previous=previous)
        for number, (kind, pk, queue, direct, previous) in enumerate(drawn, 1)
    ]
)
RANK = {"DELETE": 0, "SAVE": 1, "SYNC": 2}


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_every_row_is_settled_by_exactly_one_message(rows):
    settled = sorted(one.id for plan in coalesce(rows) for one in plan.rows)
    assert settled == [one.id for one in rows]


@settings(max_examples=100, deadline=None)
@given(ROWS, st.randoms())
def test_the_plan_does_not_depend_on_the_order_in_which_rows_were_read(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert told(shuffled) == told(rows)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_no_row_is_settled_by_a_message_for_another_key_or_queue(rows):
    for plan in coalesce(rows):
        assert len({(one.queue, one.cqrs_id, one.pk_text) for one in plan.rows}) == 1


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_the_messages_of_a_key_are_in_order_and_each_kind_comes_once(rows):
    kinds = {}
    for plan in coalesce(rows):
        kinds.setdefault((plan.last.queue, plan.last.pk_text), []).append((RANK[plan.signal_type], plan.last.direct))
    for found in kinds.values():
        assert [rank for rank, _ in found] == sorted(rank for rank, _ in found)
        assert len(found) == len(set(found))


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_previous_values_are_the_earliest_of_the_rows_that_a_message_settles(rows):
    for plan in coalesce(rows):
        expected = {}
        for one in plan.rows:
            expected = {**(one.previous_data or {}), **expected}
        assert (plan.previous_data or {}) == expected
