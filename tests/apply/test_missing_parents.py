"""Which failures come from a missing parent, and what is said of it: model, key, field, and no value besides."""

from __future__ import annotations

import uuid

import pytest

from celery_cqrs import testing
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Parent, Retry, Waiting
from celery_cqrs.tasks import retry_letters
from tests.app.families import District, TownRef, VisitRef
from tests.app.models import AuthorRef, SpecimenRef
from tests.apply.replicas import ByAttribute, Watched
from tests.receive.wire import author, deletion, deliver, message

pytestmark = pytest.mark.usefixtures("each_path")

CODE = "c0ffee00-0000-4000-8000-000000000000"


def land(pk, revision=0, capital=None):
    return message("land", pk, revision, capital=capital)


def town(pk, country, revision=0):
    return message("town", pk, revision, country=country)


def visit(pk, district, **data):
    return message("visit", pk, **{"district": district, "town": None, "number": None, **data})


def specimen(pk, code, **data):
    return message("specimen", pk, code=code, line="-", **data)


def the_ending(*messages):
    (ending,) = deliver(*messages)
    return ending


def test_the_sentence_names_the_parent_by_its_cqrs_id_and_key(database):
    ending = the_ending(town(1, country=77))
    assert isinstance(ending, Waiting)
    assert ending.reason == Letter.objects.get().reason == "land '77' is not here (field land)"
    assert ending.parent == Parent("app.landref.id", "77")


def test_a_parent_that_is_known_by_another_unique_field_is_named_with_it(database):
    ending = the_ending(specimen(1, str(uuid.UUID(int=1)), twin=CODE))
    assert ending.reason == f"specimen with code '{CODE}' is not here (field twin)"
    deliver(specimen(2, CODE))
    testing.deliver("replica")
    assert SpecimenRef.objects.get(pk=1).twin.pk == 2


def test_a_parent_in_a_table_that_is_no_replica_is_named_by_its_model_and_found_by_beat(database):
    ending = the_ending(visit(1, district=5))
    assert ending.reason == "app.District '5' is not here (field district)"
    retry_letters()
    assert Letter.objects.get().state == Letter.WAITING
    District.objects.create(id=5, name="Old Town")
    retry_letters()
    assert VisitRef.objects.get().district.name == "Old Town"


def test_what_lacks_two_parents_waits_for_one_after_the_other(database):
    assert "district" in the_ending(visit(1, district=5, town=6)).reason
    District.objects.create(id=5, name="Old Town")
    retry_letters()
    kept = Letter.objects.get()
    assert (kept.reason, kept.state) == ("town '6' is not here (field town)", Letter.WAITING)
    assert kept.attempts == 0
    deliver(land(1), town(6, country=1))
    testing.deliver("replica")
    assert VisitRef.objects.get().town_id == 6


def test_a_parent_under_the_masters_name_for_its_field_is_found(database):
    deliver(land(1))
    assert the_ending(town(1, country=1)) == Applied()
    assert TownRef.objects.get().land_id == 1


def test_a_foreign_key_that_is_mapped_by_its_column_is_one(database):
    wire = {**message("by_attribute", 1, name="Ann", enemy=77), "cqrs_id": ByAttribute.CQRS_ID}
    assert the_ending(wire).parent == Parent("app.authorref.id", "77")


def test_a_model_with_hooks_of_its_own_waits_too(database):
    ending = the_ending(message(Watched.CQRS_ID, 1, name="Ann", born=None, rival=77))
    assert isinstance(ending, Waiting)
    deliver(author(77))
    testing.deliver("replica")
    assert AuthorRef.objects.get(pk=1).rival_id == 77


def test_an_update_to_a_parent_that_is_not_here_waits_and_leaves_the_row_as_it_was(database):
    deliver(author(1), author(1, 1, rival=77))
    assert Letter.objects.get().state == Letter.WAITING
    assert AuthorRef.objects.get().cqrs_revision == 0


def test_a_sync_waits_for_a_parent_like_a_save(database):
    assert isinstance(the_ending({**author(1, 3, rival=77), "signal_type": "SYNC"}), Waiting)
    deliver(author(77))
    testing.deliver("replica")
    assert AuthorRef.objects.get(pk=1).rival_id == 77


def test_a_row_that_refers_to_itself_misses_nothing(database):
    assert the_ending(author(1, rival=1)) == Applied()
    assert AuthorRef.objects.get().rival_id == 1


def test_a_row_that_refers_to_itself_by_another_unique_field_misses_nothing(database):
    assert the_ending(specimen(1, CODE, twin=CODE)) == Applied()
    assert SpecimenRef.objects.get().twin_id == uuid.UUID(CODE)


def test_a_parent_that_cannot_be_deleted_because_of_its_children_is_an_ordinary_failure(database):
    deliver(author(1), author(2, rival=1))
    assert isinstance(the_ending(deletion("author", 1, 1)), Retry)


def test_another_constraint_that_is_broken_is_an_ordinary_failure(database):
    District.objects.create(id=5, name="Old Town")
    deliver(visit(1, district=5, number=1))
    ending = the_ending(visit(2, district=5, number=1))
    assert isinstance(ending, Retry)
    assert ending.reason.startswith("IntegrityError: ")


def test_data_that_cannot_be_read_is_no_missing_parent(database):
    assert isinstance(the_ending(author(1, rival="nobody")), Dead)


def test_an_error_of_a_hook_that_has_nothing_to_do_with_parents_is_an_ordinary_failure(database):
    assert isinstance(the_ending(message(Watched.CQRS_ID, 1, name="explode", born=None, rival=77)), Retry)


def test_many_orphans_harm_no_neighbour_and_each_names_its_parent(database):
    deliver(land(1), *(town(pk, country=1 if pk % 2 else pk + 1000) for pk in range(1, 61)))
    assert TownRef.objects.count() == 30
    assert set(Letter.objects.values_list("parent_key", flat=True)) == {str(pk + 1000) for pk in range(2, 61, 2)}
    deliver(*(land(pk + 1000) for pk in range(2, 61, 2)))
    testing.deliver("replica")
    assert TownRef.objects.count() == 60
    assert not Letter.objects.exists()
