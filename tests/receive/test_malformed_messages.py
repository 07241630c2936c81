"""A malformed message among good neighbours: they are applied, it is a dead letter."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter
from tests.app.models import AuthorRef
from tests.receive.wire import author, confirmed, deliver

pytestmark = pytest.mark.django_db

NOT_GIVEN = object()


def broken(key, value, inside=None):
    """Author 7 with one value replaced or, for NOT_GIVEN, left out."""
    message = author(7)
    target = message if inside is None else message[inside]
    target.pop(key)
    if value is not NOT_GIVEN:
        target[key] = value
    return message


DELETE_WITHOUT_ID = {
    **author(7, signal_type="DELETE"),
    "instance_data": {"cqrs_revision": 0, "cqrs_updated": "2026-01-01T00:00:00+00:00"},
}
MALFORMED = {
    "null": None,
    "a number": 7,
    "a text": "SAVE",
    "a list": [author(7)],
    "empty": {},
    "no signal type": broken("signal_type", NOT_GIVEN),
    "an unknown signal type": broken("signal_type", "UPSERT"),
    "a signal type in small letters": broken("signal_type", "save"),
    "a signal type that is a list": broken("signal_type", ["SAVE"]),
    "no id": broken("cqrs_id", NOT_GIVEN),
    "an empty id": broken("cqrs_id", ""),
    "an id that is a number": broken("cqrs_id", 7),
    "no key": broken("instance_pk", NOT_GIVEN),
    "a null key": broken("instance_pk", None),
    "a key that is a list": broken("instance_pk", [7]),
    "a key that is an object": broken("instance_pk", {"pk": 7}),
    "no data": broken("instance_data", NOT_GIVEN),
    "data that are a list": broken("instance_data", [1]),
    "no revision": broken("cqrs_revision", NOT_GIVEN, "instance_data"),
    "a revision that is a text": broken("cqrs_revision", "3", "instance_data"),
    "a revision with a fraction": broken("cqrs_revision", 3.5, "instance_data"),
    "a revision that is true": broken("cqrs_revision", True, "instance_data"),
    "a revision below nought": broken("cqrs_revision", -1, "instance_data"),
    "a revision that no database holds": broken("cqrs_revision", 2**63, "instance_data"),
    "no time": broken("cqrs_updated", NOT_GIVEN, "instance_data"),
    "a DELETE without id": DELETE_WITHOUT_ID,
    "rows that are no list": broken("outbox_ids", 700),
    "rows that are texts": broken("outbox_ids", ["700"]),
    "an expiry that is no moment": {**author(7), "expires": "soon"},
    "an expiry on no day": {**author(7), "expires": "2026-02-31T00:00:00Z"},
    "previous data that are a list": {**author(7), "previous_data": []},
    "meta that is a text": {**author(7), "meta": "who"},
    "retries that are a text": {**author(7), "retries": "0"},
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_the_neighbours_of_a_malformed_message_are_applied(malformed):
    deliver(author(1), malformed, author(2))
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 2}
    assert {100, 200} <= set(confirmed())


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_a_dead_letter_with_a_sentence(malformed):
    deliver(malformed)
    kept = Letter.objects.get()
    assert (kept.state, kept.payload, kept.not_before) == (Letter.DEAD, malformed, None)
    assert kept.reason.startswith("The message is refused: ")
    assert kept.reason.endswith(".")


def test_a_malformed_message_is_confirmed_by_the_rows_that_can_be_read():
    deliver({"outbox_ids": [3, 4], "signal_type": "UPSERT"}, author(1))
    assert confirmed() == [3, 4, 100]


@pytest.mark.parametrize("rows", [None, "3", [3, "4"], [-1], [True], {"3": 4}, [2**63]])
def test_a_malformed_message_whose_rows_cannot_be_read_is_not_confirmed(rows):
    deliver({"outbox_ids": rows, "signal_type": "UPSERT"})
    assert confirmed() == []
    assert Letter.objects.count() == 1


def test_the_letter_of_a_malformed_message_is_found_by_id_and_key():
    deliver(broken("signal_type", "UPSERT"))
    kept = Letter.objects.get()
    assert (kept.cqrs_id, kept.pk_text) == ("author", "7")


def test_a_flood_of_malformed_messages_is_one_letter_per_id_and_key():
    flood = [{"cqrs_id": cqrs_id, "instance_pk": pk, "n": n} for n in range(9) for cqrs_id in "ab" for pk in (1, 2)]
    deliver(*flood)
    deliver(*flood)
    assert Letter.objects.count() == 4
    assert {kept.payload["n"] for kept in Letter.objects.all()} == {8}


def test_a_malformed_message_leaves_the_letter_of_a_real_one_alone(letter):
    deliver({**author(1), "signal_type": "UPSERT"})
    letter.refresh_from_db()
    assert (letter.payload, letter.state, letter.revision) == ({"kept": True}, Letter.RETRYING, 5)


def test_the_letter_of_a_malformed_message_goes_when_the_key_is_applied():
    deliver({**author(1), "signal_type": "UPSERT"})
    deliver(author(1))
    assert not Letter.objects.exists()


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "\ud800", "x" * 5_000, "🦉" * 300, ""])
def test_the_letter_of_a_malformed_message_takes_any_name_and_key(database, name):
    deliver({"cqrs_id": name, "instance_pk": name, "outbox_ids": [1]}, author(1))
    assert Letter.objects.count() == 1
    assert AuthorRef.objects.count() == 1
    assert confirmed() == [1, 100]


def test_two_long_keys_with_one_beginning_are_two_letters():
    deliver(*({"cqrs_id": "author", "instance_pk": "x" * 400 + ending} for ending in "ab"))
    assert Letter.objects.count() == 2


def test_no_value_of_a_malformed_message_is_quoted_at_length():
    deliver({**author(1), "expires": "secret " * 1_000})
    assert len(Letter.objects.get().reason) < 300


def test_unknown_keys_of_a_message_are_ignored():
    deliver({**author(1), "colour": "blue", "instance_data": {**author(1)["instance_data"], "colour": "blue"}})
    assert AuthorRef.objects.count() == 1
    assert not Letter.objects.exists()
