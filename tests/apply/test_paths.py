"""Which models go in bulk and which through their hooks, and why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models.signals import post_save

from celery_cqrs import signals
from celery_cqrs.mixins import ReplicaMixin
from celery_cqrs.replica import path
from tests.app.models import AuthorRef, BoxRef, DogRef, PlateRef, ProductRef, RecipeDocument, ShelfRef, SpecimenRef
from tests.apply.replicas import AsItCame, Elsewhere, Outermost, Renamed, Unstored, Watched
from tests.receive.wire import author, deletion, deliver, product, recipe

Taken = list[tuple[str, bool, str]]


@pytest.fixture
def taken() -> Iterator[Taken]:
    """What the signal has told: id, in bulk or not, and why not."""
    told: Taken = []

    def note(cqrs_id: str, bulk: bool, reason: str, **_: object) -> None:
        told.append((cqrs_id, bulk, reason))

    signals.path_chosen.connect(note)
    yield told
    signals.path_chosen.disconnect(note)


def test_an_ordinary_model_goes_in_bulk_on_every_database(database, taken):
    deliver(author(1), author(2))
    deliver(deletion("author", 1, 1))
    assert taken == [("author", True, "")] * 2
    assert AuthorRef.objects.get().pk == 2


def test_the_hooks_of_a_model_are_called_for_each_row(database, taken):
    deliver(recipe(1), recipe(2))
    ((cqrs_id, bulk, reason),) = taken
    assert (cqrs_id, bulk) == ("recipe", False) and reason
    assert [call[:2] for call in RecipeDocument.calls] == [("create", 1), ("create", 2)]


@pytest.mark.parametrize("model", [AuthorRef, ProductRef, ShelfRef, BoxRef, DogRef, PlateRef, SpecimenRef, Renamed])
def test_nothing_speaks_against_models_that_the_package_alone_writes(model):
    assert path.objection(model) == ""


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (Watched, "cqrs_create, cqrs_update"),
        (Outermost, "cqrs_save, cqrs_delete"),
        (Elsewhere, "cqrs_save"),
        (AsItCame, "hooks' own"),
        (Unstored, "hooks' own"),
        (RecipeDocument, "hooks' own"),
    ],
)
def test_what_speaks_against_other_models_is_said(model, word):
    assert word in path.objection(model)


def test_a_listener_to_saves_hears_of_every_row(database, taken):
    heard = []

    def listen(instance: AuthorRef, **_: object) -> None:
        heard.append(instance.pk)

    post_save.connect(listen, sender=AuthorRef)
    try:
        deliver(author(1), author(2))
    finally:
        post_save.disconnect(listen, sender=AuthorRef)
    assert heard == [1, 2]
    assert taken == [("author", False, "somebody listens to its saves")]


def test_a_model_may_ask_to_go_row_by_row(sqlite, taken):
    AuthorRef.CQRS_APPLY = "instance"
    try:
        deliver(author(1))
    finally:
        del AuthorRef.CQRS_APPLY
    assert taken == [("author", False, "CQRS_APPLY says so")]
    assert AuthorRef.CQRS_APPLY == ReplicaMixin.CQRS_APPLY == "auto"


def test_a_text_key_goes_row_by_row_where_a_collation_may_confuse_it(server, taken):
    deliver(product("a"))
    ((_, bulk, reason),) = taken
    assert (bulk, reason) == ((True, "") if server == "postgres" else (False, "its key is a text"))
    assert ProductRef.objects.get().pk == "a"
