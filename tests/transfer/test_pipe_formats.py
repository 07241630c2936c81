"""The lines of pipes: whatever is written is read again, and whatever comes is read or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs.exceptions import CqrsError
from celery_cqrs.registry import Registry
from celery_cqrs.transfer.pipe import Header, decoded, read_header, read_keys, read_pairs

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10)
ids = st.sets(st.lists(names, min_size=1, max_size=3).map(",".join), min_size=1, max_size=3)
moments = st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (a bound)
keys = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), keys), lambda inner: st.lists(inner) | st.dictionaries(names, inner)
)


@contextmanager
def registered(known: set[str]) -> Iterator[type[Registry]]:
    """A registry of its own that knows these ids."""

    class Known(Registry):
        models = dict.fromkeys(known, object)

    yield Known


@given(ids, moments, st.one_of(st.none(), names), st.data())
def test_a_header_is_read_as_it_was_written(known, moment, queue, data):
    header = Header(data.draw(st.sampled_from(sorted(known))), str(moment), queue)
    with registered({header.cqrs_id}) as registry:
        found = read_header(iter([f"{header.line}\n"]), registry)
    assert (found, found.read_at) == (header, moment)


@given(st.lists(st.lists(keys)))
def test_keys_are_read_as_they_were_written(lists):
    assert list(read_keys(f"{json.dumps(one)}\n" for one in lists)) == lists


@given(st.lists(st.lists(st.tuples(keys, st.integers(0, 2**31)))))
def test_pairs_are_read_as_they_were_written(lists):
    found = read_pairs(f"{json.dumps(one)}\n" for one in lists)
    assert [[tuple(pair) for pair in one] for one in found] == lists


@given(st.lists(st.one_of(st.text(), values.map(json.dumps))))
def test_any_text_at_all_is_read_or_refused(lines):
    for read in (read_keys, read_pairs, lambda some: [read_header(iter(some), Registry)]):
        with suppress(CqrsError):
            list(read(decoded(lines)))
