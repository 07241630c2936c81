"""save(update_fields=…): captured only when somebody asked for it."""

import pytest

from tests.app.models import Author, AuthorRef
from tests.capture.conftest import captured, carry_to_replica, forget_captured, stored_revision


@pytest.fixture
def author(uncommitted):
    made = Author.objects.create(name="Ann", born="1900-01-01")
    forget_captured()
    made.name = "Bea"
    return made


def test_chosen_fields_alone_are_not_captured(author):
    author.save(update_fields=["name"])
    assert captured() == [] and stored_revision(author) == author.cqrs_revision == 0


def test_chosen_fields_are_captured_when_the_save_asks_for_it(author):
    author.save(update_fields=["name"], update_cqrs_fields=True)
    assert captured() == [("SAVE", "author", str(author.pk), 1)]
    assert author.cqrs_revision == stored_revision(author) == 1


def test_chosen_fields_are_captured_when_the_setting_asks_for_it(author, configure):
    configure(master={"CQRS_AUTO_UPDATE_FIELDS": True})
    author.save(update_fields=["name"])
    assert captured() == [("SAVE", "author", str(author.pk), 1)]


def test_a_save_may_refuse_what_the_setting_asks_for(author, configure):
    configure(master={"CQRS_AUTO_UPDATE_FIELDS": True})
    author.save(update_fields=["name"], update_cqrs_fields=False)
    assert captured() == [] and stored_revision(author) == 0


def test_other_fields_stay_unwritten_when_chosen_fields_are_captured(author):
    author.born = "1999-09-09"
    author.save(update_fields=["name"], update_cqrs_fields=True)
    author.refresh_from_db()
    assert (author.name, str(author.born)) == ("Bea", "1900-01-01")


def test_the_time_of_change_moves_with_captured_chosen_fields(author):
    before = author.cqrs_updated
    author.save(update_fields=["name"], update_cqrs_fields=True)
    assert Author.objects.get().cqrs_updated > before


@pytest.mark.parametrize("asked", [True, False, None])
def test_an_empty_list_of_fields_does_nothing_at_all(author, asked):
    author.save(update_fields=[], update_cqrs_fields=asked)
    assert captured() == []
    assert author.cqrs_revision == stored_revision(author) == 0
    assert Author.objects.get().name == "Ann"


def test_asking_without_chosen_fields_changes_nothing(author):
    author.save(update_cqrs_fields=False)
    assert captured() == [("SAVE", "author", str(author.pk), 1)]


def test_chosen_fields_may_be_given_by_position(author, uncommitted):
    author.save(False, False, uncommitted, ["name"])
    assert captured() == [] and Author.objects.get().name == "Bea"


def test_chosen_fields_that_name_the_revision_are_captured(author):
    author.save(update_fields=["name", "cqrs_revision"])
    assert captured() == [("SAVE", "author", str(author.pk), 1)]


def test_chosen_fields_of_a_row_loaded_without_its_revision_can_be_captured(author):
    part = Author.objects.only("name").get()
    part.name = "Cea"
    part.save(update_fields=["name"], update_cqrs_fields=True)
    assert captured() == [("SAVE", "author", str(author.pk), 1)]
    assert part.cqrs_revision == 1


def test_what_was_left_uncaptured_travels_with_the_next_captured_save(author, uncommitted):
    author.save(update_fields=["name"])
    author.save()
    carry_to_replica(uncommitted)
    assert AuthorRef.objects.get().name == "Bea"
