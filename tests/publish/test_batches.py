"""Messages are cut into batches by count and by bytes, per queue, in their order."""

import json

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs.master.drain import cut, drain_all
from celery_cqrs.master.prepare import Prepared
from tests.app.models import Author, Product
from tests.publish.conftest import sizes


def prepared(number, queue="shop", *, size=10, direct=False):
    return Prepared(queue, direct, json.dumps({"instance_pk": number, "text": "x" * size}), (), number)


def limits(count, size):
    return override_settings(CQRS={"queue": "atlas", "master": {"batch_size": count, "batch_bytes": size}})


def keys(parcel):
    return [json.loads(one.text)["instance_pk"] for one in parcel.messages]


def length(parcel):
    return sum(len(one.text) for one in parcel.messages)


def test_no_messages_make_no_batch():
    assert list(cut([])) == []


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_a_batch_has_no_more_messages_than_the_setting_says(count, expected):
    with limits(3, 1_000_000):
        assert [len(parcel.messages) for parcel in cut([prepared(number) for number in range(count)])] == expected


def test_a_batch_has_no_more_bytes_than_the_setting_says():
    with limits(500, 3_000):
        parcels = list(cut([prepared(number, size=1_000) for number in range(6)]))
    assert [len(parcel.messages) for parcel in parcels] == [2, 2, 2]


def test_a_message_larger_than_a_batch_travels_alone():
    with limits(500, 3_000):
        parcels = list(cut([prepared(0), prepared(1, size=9_000), prepared(2)]))
    assert [keys(parcel) for parcel in parcels] == [[0], [1], [2]]


def test_queues_are_cut_each_for_itself():
    with limits(2, 1_000_000):
        parcels = list(cut([prepared(number, queue) for number, queue in enumerate(["a", "b", "a", "b", "a"])]))
    assert [(parcel.queue, keys(parcel)) for parcel in parcels] == [("a", [0, 2]), ("a", [4]), ("b", [1, 3])]


def test_syncs_for_one_queue_alone_have_batches_of_their_own():
    with limits(10, 1_000_000):
        parcels = list(cut([prepared(0), prepared(1, direct=True), prepared(2)]))
    assert [(parcel.direct, keys(parcel)) for parcel in parcels] == [(False, [0, 2]), (True, [1])]


MESSAGES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans(), st.integers(0, 2_000)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(MESSAGES, st.integers(1, 6), st.integers(500, 4_000))
def test_every_message_is_in_one_batch_within_the_limits_and_in_order(drawn, count, size):
    messages = [
        prepared(number, queue, size=length, direct=direct) for number, (queue, direct, length) in enumerate(drawn)
    ]
    with limits(count, size):
        parcels = list(cut(messages))
    assert sorted(key for parcel in parcels for key in keys(parcel)) == list(range(len(messages)))
    for parcel in parcels:
        assert keys(parcel) == sorted(keys(parcel)) and len(parcel.messages) <= count
        assert len(parcel.messages) == 1 or length(parcel) <= size


def test_a_load_of_rows_travels_in_full_batches(database, configure):
    configure(master={"batch_size": 20})
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(45)])
    assert sizes() == [20, 20, 5]


def test_batches_of_several_replicas_are_as_full_as_those_of_one(database, configure):
    configure(master={"batch_size": 20, "replicas": {"a": "__all__", "b": "__all__", "c": "__all__"}})
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(40)])
    assert [sizes(queue) for queue in "abc"] == [[20, 20]] * 3


def test_wide_rows_travel_in_smaller_batches(uncommitted, configure):
    configure(master={"batch_bytes": 2_000})
    Product.cqrs.bulk_create([Product(sku=str(number), title="☂" * 50) for number in range(10)])
    drain_all(uncommitted)
    assert sum(sizes()) == 10 and len(sizes()) >= 5
