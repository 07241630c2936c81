"""A replica whose columns are of other types or narrower than the master's: taken where it fits, refused where not."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pytest

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead
from tests.app.models import SpecimenRef
from tests.receive.wire import confirmed, deliver, message

pytestmark = pytest.mark.usefixtures("each_path")

CODE = "c0ffee00-0000-4000-8000-00000000000{}"
UTC = datetime.UTC

TAKEN = [
    ("line", 5, "5"),
    ("line", True, "True"),
    ("line", "1.50", "1.50"),
    ("text", "x" * 5_000, "x" * 5_000),
    ("small", "7", 7),
    ("small", 7.0, 7),
    ("small", "32767", 32767),
    ("flag", 1, True),
    ("flag", "False", False),
    ("real", 3, 3.0),
    ("real", "2.5", 2.5),
    ("price", 7, Decimal(7)),
    ("price", "1.5000000000000000", Decimal("1.5")),
    ("price", "0E-20", Decimal(0)),
    ("price", "1.5E3", Decimal(1500)),
    ("price", "99999.0123456789", Decimal("99999.0123456789")),
    ("price", 0.1, Decimal("0.1")),
    ("day", "2026-01-02", datetime.date(2026, 1, 2)),
    ("moment", "2026-01-02", datetime.datetime(2026, 1, 2, tzinfo=UTC)),
    ("moment", "2026-01-02T03:04:05+02:00", datetime.datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ("tree", "text", "text"),
    ("tree", {"a": [1, None]}, {"a": [1, None]}),
    ("address", "10.0.0.1", "10.0.0.1"),
    ("document", "a/b.txt", "a/b.txt"),
]
REFUSED = [
    ("line", "x" * 101, "'line' holds 100 characters, and its value has 101."),
    ("line", {"a": 1}, "'line' cannot hold its value"),
    ("line", "half \ud800", "half of a surrogate pair"),
    ("line", None, "may not be null: line"),
    ("text", ["a"], "'text' cannot hold its value"),
    ("document", "x" * 101, "'document' holds 100 characters"),
    ("small", "seven", "'small' cannot hold its value"),
    ("small", 1.5, "'small' cannot hold its value"),
    ("small", 2**15, "'small' holds what a SmallIntegerField can, and its value is too large or too small."),
    ("small", -(2**15) - 1, "'small' holds what a SmallIntegerField can"),
    ("big", 2**63, "'big' holds what a BigIntegerField can"),
    ("big", 10**400, "'big' holds what a BigIntegerField can"),
    ("flag", "perhaps", "'flag' cannot hold its value"),
    ("flag", 2, "'flag' cannot hold its value"),
    ("real", "fast", "'real' cannot hold its value"),
    ("price", "1.00000000001", "'price' holds 10 decimal places, and its value has 11."),
    ("price", "1E-11", "'price' holds 10 decimal places"),
    ("price", "100000000000000000000", "'price' holds 20 digits before the point, and its value has more."),
    ("price", 10**20, "'price' holds 20 digits before the point"),
    ("price", "NaN", "'price' cannot hold its value"),
    ("day", "2026-01-02T03:04:05+00:00", "'day' cannot hold its value"),
    ("day", "2026-02-30", "'day' cannot hold its value"),
    ("hour", "25:00", "'hour' cannot hold its value"),
    ("moment", "0001-01-01T00:00:00+14:00", "'moment' cannot hold its value (OverflowError)"),
    ("span", "a while", "'span' cannot hold its value"),
    ("blob", "not base64!", "'blob' cannot hold its value"),
    ("address", "nonsense", "'address' cannot hold its value"),
    ("code", "no", "'code' cannot hold its value"),
    ("code", None, "may not be null: code"),
]


def specimen(pk, **values):
    """A specimen with a code of its own."""
    return message("specimen", pk, **{"line": "-", "code": CODE.format(pk), **values})


@pytest.mark.parametrize(("name", "value", "kept"), TAKEN, ids=[f"{name}-{value!s:.12}" for name, value, _ in TAKEN])
def test_a_value_of_another_type_is_taken_where_it_fits(uncommitted, name, value, kept):
    assert deliver(specimen(1, **{name: value})) == [Applied()]
    assert getattr(SpecimenRef.objects.get(), name) == kept


@pytest.mark.parametrize(
    ("name", "value", "words"),
    REFUSED,
    ids=[f"{name}-{value!s:.12}" for name, value, _ in REFUSED],
)
def test_a_value_that_does_not_fit_is_a_dead_letter_with_one_sentence(uncommitted, name, value, words):
    endings = deliver(specimen(1), specimen(2, **{name: value}), specimen(3))
    assert sorted(type(ending).__name__ for ending in endings) == ["Applied", "Applied", "Dead"]
    assert set(SpecimenRef.objects.values_list("pk", flat=True)) == {1, 3}
    kept = Letter.objects.get()
    assert (kept.state, kept.pk_text) == (Letter.DEAD, "2")
    assert words in kept.reason and kept.reason.endswith(".") and "\n" not in kept.reason
    assert confirmed() == [100, 200, 300]


def test_a_field_that_the_replica_lacks_is_dropped(uncommitted):
    assert deliver(specimen(1, colour="red", nested={"a": [1]})) == [Applied()]


def test_a_field_of_its_own_keeps_what_the_replica_puts_into_it(uncommitted):
    deliver(specimen(1))
    SpecimenRef.objects.update(text="mine")
    deliver({**specimen(1), "instance_data": {**specimen(1)["instance_data"], "cqrs_revision": 1}})
    row = SpecimenRef.objects.get()
    assert (row.text, row.cqrs_revision) == ("mine", 1)


def test_a_value_of_ten_million_characters_is_taken_where_it_fits(uncommitted):
    assert deliver(specimen(1, text="x" * 10_000_000), specimen(2)) == [Applied(), Applied()]
    assert len(SpecimenRef.objects.get(pk=1).text) == 10_000_000


LARGER_THAN_A_PACKET = "'\"\\" * 3_000_000
"""9 million characters, 18 MB with their escapes: MariaDB takes 16 MB in a statement, and closes the connection."""


def test_what_no_statement_can_carry_is_a_dead_letter_without_its_data_and_harms_no_neighbour(database):
    endings = deliver(specimen(1), specimen(2, text=LARGER_THAN_A_PACKET), specimen(3))
    assert {1, 3} <= set(SpecimenRef.objects.values_list("pk", flat=True))
    assert confirmed() == [100, 200, 300]
    if database == "mariadb":
        assert sorted(type(ending).__name__ for ending in endings) == ["Applied", "Applied", "Dead"]
        kept = Letter.objects.get()
        assert (kept.state, kept.pk_text, kept.payload) == (Letter.DEAD, "2", {})
        assert "max_allowed_packet" in kept.reason


def test_a_letter_of_what_no_statement_can_carry_is_dead_and_says_so(database):
    """The value is no text of a column, but its letter would hold it all the same."""
    deliver(specimen(1), {"cqrs_id": "specimen", "instance_pk": 2, "outbox_ids": [200], "junk": LARGER_THAN_A_PACKET})
    kept = Letter.objects.get()
    assert kept.reason.startswith("The message is refused: ")
    assert (kept.payload == {}) == ("was not kept" in kept.reason) == (database == "mariadb")
    assert confirmed() == [100, 200]


def test_a_value_of_ten_million_characters_is_a_dead_letter_where_it_does_not_fit(uncommitted):
    endings = deliver(specimen(1), specimen(2, line="x" * 10_000_000))
    assert sorted(type(ending).__name__ for ending in endings) == ["Applied", "Dead"]
    assert "has 10000000." in Letter.objects.get().reason


def test_a_nul_is_kept_by_the_databases_that_take_it_and_a_dead_letter_on_postgresql(uncommitted):
    endings = deliver(specimen(1, line="a\x00b"), specimen(2))
    if uncommitted == "postgres":
        assert sorted(type(ending).__name__ for ending in endings) == ["Applied", "Dead"]
        assert "NUL" in Letter.objects.get().reason
    else:
        assert endings == [Applied(), Applied()]
        assert SpecimenRef.objects.get(pk=1).line == "a\x00b"


def test_a_message_of_a_key_that_no_column_holds_is_a_dead_letter(uncommitted):
    (_, ending) = deliver(specimen(1), {**specimen(2), "instance_data": {**specimen(2)["instance_data"], "id": "two"}})
    assert isinstance(ending, Dead)


def test_a_uuid_may_be_text_of_either_spelling(uncommitted):
    deliver(specimen(1, code="c0ffee00000040008000000000000001"))
    assert SpecimenRef.objects.get().code == uuid.UUID(CODE.format(1))
