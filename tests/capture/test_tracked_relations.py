"""Tracked fields of a model with everything: generic foreign keys, many-to-many, JSON with an encoder, expressions."""

from datetime import UTC, datetime

from django.db.models import F

from tests.app.masters import Account, Money, Remark, Tag
from tests.app.models import Author
from tests.capture.conftest import captured, forget_captured, previous_values

SAID_AT = datetime(2026, 1, 2, tzinfo=UTC)


def remark(**values):
    made = Remark.objects.create(**values)
    forget_captured()
    return made


def test_all_fields_are_tracked_but_for_relations_that_are_no_columns(uncommitted):
    Remark.objects.create(text="yes")
    (told,) = previous_values()
    assert set(told) == {"text", "rank", "prices", "touched_at"}
    assert not any(told.values())


def test_a_generic_foreign_key_is_told_by_its_two_columns(uncommitted):
    author = Author.objects.create(name="Ann")
    made = remark(text="yes", object_id=5)
    made.subject = author
    made.save()
    assert previous_values()[0].items() >= {"object_id": 5, "content_type": None}.items()


def test_many_to_many_changes_are_neither_captured_nor_in_the_way(uncommitted):
    made = remark(text="yes")
    made.tags.add(Tag.objects.create(word="loud"))
    assert captured() == []
    made.text = "no"
    made.save()
    assert previous_values()[0]["text"] == "yes" and "tags" not in previous_values()[0]


def test_a_document_changed_in_place_tells_what_it_held(uncommitted):
    made = remark(prices={"tea": [1]})
    made.prices["tea"].append(2)
    made.save()
    assert previous_values()[0]["prices"] == {"tea": [1]}


def test_a_document_that_only_its_own_encoder_can_write_is_told_as_that_writes_it(uncommitted):
    made = remark(prices={"tea": Money(350)})
    made.prices = {}
    made.save()
    assert previous_values()[0]["prices"] == {"tea": 350}


def test_an_expression_that_memory_still_holds_is_told_as_unknown(uncommitted):
    made = remark(rank=1)
    made.rank = F("rank") + 1
    made.save()
    made.rank = 7
    made.save()
    assert [told["rank"] for told in previous_values()] == [1, None]


def test_a_file_is_told_by_its_name_and_not_where_there_is_none(uncommitted):
    account = Account.objects.create(name="Ann")
    for name in ("owl.png", "cat.png"):
        account.portrait = name
        account.save()
    Account.objects.create(name="Bea", portrait="dog.png")
    created, first, second, other = previous_values()
    assert created == {} and second == {"portrait": "owl.png"} and other == {"portrait": None}
    assert first["portrait"] in ("", None)


def test_times_are_told_as_they_travel(uncommitted):
    made = remark(said_at=SAID_AT)
    made.said_at = None
    made.save()
    assert datetime.fromisoformat(previous_values()[0]["said_at"]) == SAID_AT


def test_a_field_that_sets_itself_tells_what_it_held(uncommitted):
    made = remark(text="yes")
    touched_at = made.touched_at
    made.save()
    assert datetime.fromisoformat(previous_values()[0]["touched_at"]) == touched_at


def test_a_key_that_came_with_the_instance_is_told_and_one_that_the_database_made_is_not(uncommitted):
    Remark.objects.create(text="yes")
    Remark.objects.create(text="yes", pk=7_000)
    assert ["id" in told for told in previous_values()] == [False, True]


def test_what_was_read_again_is_what_was_held_before(uncommitted):
    made = remark(text="yes")
    Remark.objects.update(text="maybe")
    made.refresh_from_db()
    made.text = "no"
    made.save()
    assert previous_values()[0]["text"] == "maybe"


def test_a_row_loaded_in_part_tells_what_it_knows(uncommitted):
    remark(text="yes", rank=1)
    made = Remark.objects.only("rank").get()
    made.rank = 2
    made.save()
    assert previous_values()[0]["rank"] == 1 and "text" not in previous_values()[0]


def test_an_instance_knows_its_previous_values_until_the_next_save(uncommitted):
    made = Author(name="Ann")
    assert made.get_tracked_fields_data() is None
    made.save()
    assert made.get_tracked_fields_data() == {"name": None}
    made.name = "Bea"
    made.save()
    assert made.get_tracked_fields_data() == {"name": "Ann"}
    made.save()
    assert made.get_tracked_fields_data() == {}
