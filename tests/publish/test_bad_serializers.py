"""A serializer that cannot be used costs its own rows their journey, and nobody else anything."""

import pytest
from django.utils.translation import gettext_lazy

from celery_cqrs import testing
from celery_cqrs.exceptions import ModelRefused, SerializationFailed
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox
from tests.app import bad_serializers
from tests.app.models import Author, Recipe
from tests.publish.conftest import let_pass, pending, sizes


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("TellsNothing", "must be a dict, not NoneType"),
        ("TellsAList", "must be a dict, not tuple"),
        ("TellsAnObject", "a object has no plain form"),
        ("TellsItself", "RecursionError"),
        ("HasNoData", "has no attribute 'data'"),
        ("TakesNothing", "TypeError"),
        ("Raises", "LookupError: nothing found"),
        ("Missing", "can't be imported"),
    ],
)
def test_its_rows_are_set_aside_and_the_others_go(uncommitted, monkeypatch, name, problem):
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", f"tests.app.bad_serializers.{name}")
    recipe = Recipe.objects.create(title="soup")
    author = Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert [message["instance_pk"] for message in testing.sent_messages("replica")] == [author.pk]
    row = Outbox.objects.get(sent_at=None)
    assert problem in row.error and row.error.startswith(f"Recipe {recipe.pk} cannot be serialized: ")
    monkeypatch.undo()
    let_pass(11)
    drain_all(uncommitted)
    assert sizes() == [1, 1] and pending() == 0


def test_a_row_of_it_can_still_be_saved_synced_and_deleted(uncommitted, monkeypatch):
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", "nowhere.Serializer")
    recipe = Recipe.objects.create(title="soup")
    recipe.save()
    assert recipe.cqrs_sync() is True
    recipe.delete()
    drain_all(uncommitted)
    assert [message["signal_type"] for message in testing.sent_messages("replica")] == ["DELETE"]


def test_whoever_asks_for_the_data_is_told_what_is_wrong(uncommitted, monkeypatch):
    recipe = Recipe.objects.create(title="soup")
    for name, error in (("TellsNothing", SerializationFailed), ("Missing", ModelRefused)):
        monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", f"tests.app.bad_serializers.{name}")
        with pytest.raises(error):
            recipe.to_cqrs_dict()


def test_revision_and_time_are_the_packages_own(uncommitted, monkeypatch):
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", "tests.app.bad_serializers.TellsOfItsOwnRevision")
    Recipe.objects.create(title="soup")
    drain_all(uncommitted)
    assert testing.sent_messages("replica")[0]["instance_data"]["cqrs_revision"] == 0


def test_a_text_to_be_translated_travels_as_its_text(uncommitted, monkeypatch):
    monkeypatch.setattr(bad_serializers.TellsNothing, "data", {"id": 1, "title": gettext_lazy("Home"), 2: {3}})
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", "tests.app.bad_serializers.TellsNothing")
    Recipe.objects.create(title="soup")
    drain_all(uncommitted)
    data = testing.sent_messages("replica")[0]["instance_data"]
    assert (data["title"], data["2"]) == ("Home", [3])
