"""The values of a message are cut out of what an error says of it; its name and the error's own words stay."""

from __future__ import annotations

import pytest

from celery_cqrs.message import Message
from celery_cqrs.replica.redact import without_values
from tests.receive.wire import message

DATA = {
    "name": "Jane Doe",
    "code": 471_100,
    "tags": ["blue-eyed", {"born": "1970-01-01"}],
    "note": 'says "no"\n',
    "id": "jane",
    "cqrs_revision": 2026,
    "flag": True,
    "tiny": "abc",
}
MESSAGE = Message.from_message(
    {**message("person", "jane"), "instance_data": {**DATA, "cqrs_updated": "x"}, "previous_data": {"name": "Jane Roe"}}
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("bad name Jane Doe", "bad name …"),
        ("bad name 'Jane Doe'", "bad name '…'"),
        ("was Jane Roe before", "was … before"),
        ("471100 is taken", "… is taken"),
        ("{'tags': ['blue-eyed', {'born': '1970-01-01'}]}", "{'tags': ['…', {'born': '…'}]}"),
        (repr('says "no"\n'), "'…'"),
        ("Key (id)=(jane) is taken", "Key (id)=(jane) is taken"),
        ("column name of person", "column name of person"),
        ("Jane Doering is somebody else", "Jane Doering is somebody else"),
        ("True abc", "True abc"),
    ],
)
def test_a_value_is_cut_out_and_a_name_stays(said: str, told: str) -> None:
    assert without_values(said, MESSAGE) == told
