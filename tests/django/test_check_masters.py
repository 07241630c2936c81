"""Master models beside the settings: queues that choose their fields, serializers that exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.app.models import Author, Recipe
from tests.django.conftest import problems, the_problem

Configure = Callable[..., None]


def test_a_choice_that_names_every_queue_is_right(configure: Configure, monkeypatch: Any) -> None:
    configure(master={"replicas": {"shop": "__all__", "search": ["author"], "mail": ["box"]}})
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"shop": ["id"], "search": "__all__"})
    assert problems() == []


def test_a_queue_that_gets_the_model_and_is_not_named_is_refused(configure: Configure, monkeypatch: Any) -> None:
    configure(master={"replicas": {"shop": "__all__", "search": ["author"]}})
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"shop": ["id"]})
    number, sentence, hint = the_problem()
    assert (number, sentence) == (
        "E014",
        "CQRS_FIELDS of 'author' does not name queue 'search', which gets the model.",
    )
    assert 'Name it, with a list of fields or "__all__"' in hint


@pytest.mark.parametrize(("queue", "hint"), [("shoop", "Did you mean 'shop'?"), ("attic", "Take it out, or add")])
def test_a_queue_that_does_not_get_the_model_is_refused(
    configure: Configure, monkeypatch: Any, queue: str, hint: str
) -> None:
    configure(master={"replicas": {"shop": "__all__"}})
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"shop": ["id"], queue: ["id"]})
    number, sentence, told = the_problem()
    assert (number, sentence) == (
        "E014",
        f"CQRS_FIELDS of 'author' names queue {queue!r}, which does not get the model.",
    )
    assert hint in told


@pytest.mark.parametrize("path", ["nowhere.Serializer", "tests.app.serializers.Missing", "Serializer", 5], ids=repr)
def test_a_serializer_that_cannot_be_imported_is_refused(monkeypatch: Any, path: Any) -> None:
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", path)
    number, sentence, _ = the_problem()
    assert (number, sentence) == ("E015", f"CQRS_SERIALIZER {path!r} of 'recipe' cannot be imported.")


def test_a_serializer_that_is_no_class_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(Recipe, "CQRS_SERIALIZER", "tests.settings.CQRS")
    number, sentence, _ = the_problem()
    assert number == "E015" and "is no class" in sentence
