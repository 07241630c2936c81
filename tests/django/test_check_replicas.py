"""Who gets what: the ids that a master names must be its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models

from celery_cqrs.mixins import MasterMixin, ReplicaMixin
from celery_cqrs.registry import MasterRegistry
from tests.django.conftest import problems, the_problem

Configure = Callable[..., None]


@pytest.fixture
def visitor(scratch_models: None) -> Any:
    """A model that this service holds a copy of and does not own."""

    class Visitor(ReplicaMixin, models.Model):
        CQRS_ID = "visitor"

        class Meta:
            app_label = "app"

    return Visitor


def test_a_known_id_for_a_queue_is_right(configure: Configure) -> None:
    configure(master={"replicas": {"shop": ["author", "product"], "search": ("author",), "all": "__all__"}})
    assert problems() == []


@pytest.mark.parametrize(("wrong", "right"), [("autor", "author"), ("Product", "product"), ("boxes", "box")])
def test_an_unknown_id_is_answered_with_the_nearest_one(configure: Configure, wrong: str, right: str) -> None:
    configure(master={"replicas": {"shop": ["author", wrong]}})
    assert the_problem() == (
        "E008",
        f'CQRS["master"]["replicas"]["shop"] names {wrong!r}, but no master model has this CQRS_ID.',
        f"Did you mean {right!r}?",
    )


def test_an_id_unlike_any_other_is_answered_with_all_ids(configure: Configure) -> None:
    configure(master={"replicas": {"shop": ["wxyz"]}})
    _, _, hint = the_problem()
    assert all(cqrs_id in hint for cqrs_id in MasterRegistry.models)


@pytest.mark.usefixtures("visitor")
def test_the_id_of_a_replica_model_is_told_that_roles_are_swapped(configure: Configure) -> None:
    configure(master={"replicas": {"shop": ["visitor"]}})
    number, sentence, hint = the_problem()
    assert (number, sentence) == (
        "E008",
        'CQRS["master"]["replicas"]["shop"] names \'visitor\', which is a replica model here.',
    )
    assert "The roles are swapped" in hint


def test_each_wrong_id_is_told(configure: Configure) -> None:
    configure(master={"replicas": {"shop": ["one", "author"], "search": ["two"]}})
    assert [one.id for one in problems()] == ["celery_cqrs.E008"] * 2


@pytest.mark.parametrize("ids", ["author", None, 5, {"author": 1}.items()], ids=repr)
def test_what_is_no_list_of_ids_is_refused(configure: Configure, ids: Any) -> None:
    configure(master={"replicas": {"shop": ids}})
    assert {one.id for one in problems()} == {"celery_cqrs.E008"}


@pytest.mark.parametrize("queue", ["", 5, None, "q" * 201], ids=["empty", "5", "None", "long"])
def test_a_queue_whose_name_cannot_be_kept_is_refused(configure: Configure, queue: Any) -> None:
    configure(master={"replicas": {queue: ["author"]}})
    assert any(one.is_serious() for one in problems())


def test_a_master_that_sends_nowhere_is_warned(configure: Configure) -> None:
    configure(master={"replicas": {}})
    number, sentence, hint = the_problem()
    assert (number, sentence) == ("W001", "This service has master models and sends them nowhere.")
    assert '"replicas"' in hint


@pytest.mark.usefixtures("scratch_models")
def test_a_key_too_long_for_the_outbox_is_refused() -> None:
    class Scroll(MasterMixin, models.Model):
        CQRS_ID = "scroll"
        title = models.CharField(max_length=300, primary_key=True)

        class Meta:
            app_label = "app"

    number, sentence, _ = the_problem()
    assert number == "E010"
    assert "'scroll'" in sentence and "300" in sentence


@pytest.mark.parametrize(
    ("wanted", "word"), [("fast", "one of 'auto', 'bulk', 'instance'"), ("bulk", "it overrides cqrs_update")]
)
def test_a_path_that_a_replica_model_cannot_go_is_refused(scratch_models: None, wanted: str, word: str) -> None:
    class Guest(ReplicaMixin, models.Model):
        CQRS_ID = "guest"
        CQRS_APPLY = wanted

        class Meta:
            app_label = "app"

        def cqrs_update(self, *args: Any, **kwargs: Any) -> Any:
            return True

    number, sentence, hint = the_problem()
    assert number == "E011" and "'guest'" in sentence
    assert word in f"{sentence} {hint}"


@pytest.mark.parametrize("wanted", ["auto", "bulk", "instance"])
def test_a_plain_replica_model_may_go_every_path(scratch_models: None, wanted: str) -> None:
    class Guest(ReplicaMixin, models.Model):
        CQRS_ID = "guest"
        CQRS_APPLY = wanted

        class Meta:
            app_label = "app"

    assert problems() == []
