"""A model that cannot work is refused when its class is made, with one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.mixins import MasterMeta, MasterMixin, RawMasterMixin, RawReplicaMixin, ReplicaMeta, ReplicaMixin
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry

pytestmark = pytest.mark.usefixtures("scratch_models")
FIELDS = {"name": models.CharField, "rank": models.CharField}


class Meta:
    app_label = "app"


def define(base: Any, name: str = "Knight", **attributes: Any) -> Any:
    """Make a model class of two text fields with these class attributes."""
    fields = {field: kind(max_length=20) for field, kind in FIELDS.items()}
    members = {"__module__": __name__, "Meta": Meta, "CQRS_ID": "knight", **fields, **attributes}
    return type(base)(name, (base, models.Model), members)


def refusal(base: Any, **attributes: Any) -> str:
    """The sentence with which the class is refused; nothing of it is left in the registries."""
    before = dict(MasterRegistry.models), dict(ReplicaRegistry.models)
    with pytest.raises(ModelRefused) as caught:
        define(base, **attributes)
    assert (MasterRegistry.models, ReplicaRegistry.models) == before
    return str(caught.value)


@pytest.mark.parametrize("base", [MasterMixin, ReplicaMixin])
@pytest.mark.parametrize("cqrs_id", [None, "", 5, ("knight",)], ids=repr)
def test_a_model_without_an_id_is_refused(base: Any, cqrs_id: Any) -> None:
    assert refusal(base, CQRS_ID=cqrs_id) == "Model Knight: CQRS_ID must be set to a text of its own."


@pytest.mark.parametrize("base", [MasterMixin, ReplicaMixin])
def test_an_id_that_is_taken_is_refused_with_its_holder(base: Any) -> None:
    define(base, "First")
    sentence = refusal(base)
    assert sentence == "Model Knight: two models can't have the same CQRS_ID: 'knight' is taken by First."


@pytest.mark.parametrize("base", [MasterMixin, ReplicaMixin])
def test_an_id_longer_than_its_column_is_refused(base: Any) -> None:
    assert "CQRS_ID" in refusal(base, CQRS_ID="k" * 201)


def test_a_refusal_is_an_error_of_djangos_configuration() -> None:
    with pytest.raises(ImproperlyConfigured):
        define(MasterMixin, CQRS_ID=None)


def test_master_and_replica_of_one_id_may_live_in_one_service() -> None:
    define(MasterMixin, "Knight")
    define(ReplicaMixin, "KnightRef")
    assert {MasterRegistry.models["knight"].__name__, ReplicaRegistry.models["knight"].__name__} == {
        "Knight",
        "KnightRef",
    }


@pytest.mark.filterwarnings("ignore:Model 'app.knight' was already registered")
@pytest.mark.parametrize("base", [MasterMixin, ReplicaMixin])
def test_a_reloaded_module_may_define_its_models_again(base: Any) -> None:
    define(base)
    assert define(base) in (*MasterRegistry.models.values(), *ReplicaRegistry.models.values())


@pytest.mark.parametrize("base", [MasterMixin, ReplicaMixin])
def test_an_abstract_model_needs_no_id(base: Any) -> None:
    abstract = type("Meta", (), {"app_label": "app", "abstract": True})
    assert define(base, CQRS_ID=None, Meta=abstract)._meta.abstract


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (["name"], "CQRS_FIELDS must contain the primary key, 'id'."),
        ([], "CQRS_FIELDS must contain the primary key, 'id'."),
        (["id", "nmae"], "CQRS_FIELDS names fields it does not have: nmae."),
        (["id", "name", "name"], 'CQRS_FIELDS must be "__all__" or a list of field names without repetition.'),
        ("name", 'CQRS_FIELDS must be "__all__" or a list of field names without repetition.'),
        ([["id"]], 'CQRS_FIELDS must be "__all__" or a list of field names without repetition.'),
        ({"shop": ["id"], "mail": ["name"]}, "CQRS_FIELDS['mail'] must contain the primary key, 'id'."),
        ({"shop": ["id", "nmae"]}, "CQRS_FIELDS['shop'] names fields it does not have: nmae."),
        ({"shop": "id"}, "CQRS_FIELDS['shop'] must be \"__all__\" or a list of field names without repetition."),
        ({"shop": None}, "CQRS_FIELDS['shop'] must be \"__all__\" or a list of field names without repetition."),
        ({5: ["id"]}, "CQRS_FIELDS names 5, which is no queue."),
    ],
)
def test_wrong_fields_to_send_are_refused(fields: Any, problem: str) -> None:
    assert refusal(MasterMixin, CQRS_FIELDS=fields) == f"Model Knight: {problem}"


@pytest.mark.parametrize("fields", [None, 5, True, {}], ids=repr)
def test_fields_that_are_no_list_are_refused(fields: Any) -> None:
    assert "CQRS_FIELDS" in refusal(MasterMixin, CQRS_FIELDS=fields)


def test_a_relation_of_many_to_many_is_no_field_to_send() -> None:
    many = models.ManyToManyField("app.Shelf")
    assert "it does not have: shelves" in refusal(MasterMixin, shelves=many, CQRS_FIELDS=["id", "shelves"])


@pytest.mark.parametrize("fields", [["id"], {"shop": "__all__"}], ids=["list", "dict"])
def test_fields_together_with_a_serializer_are_refused(fields: Any) -> None:
    sentence = refusal(MasterMixin, CQRS_FIELDS=fields, CQRS_SERIALIZER="tests.app.serializers.RecipeSerializer")
    assert sentence == "Model Knight: CQRS_FIELDS can't be set together with CQRS_SERIALIZER."


def test_a_serializer_that_cannot_be_imported_says_so_when_it_is_needed() -> None:
    knight = define(MasterMixin, CQRS_SERIALIZER="nowhere.Serializer")
    with pytest.raises(ModelRefused, match=r"CQRS_SERIALIZER 'nowhere.Serializer' can't be imported"):
        knight(pk=1).to_cqrs_dict(sync=True)


@pytest.mark.parametrize("names", [["nmae"], ["name", "name"], "name", 5, {"name": 1}], ids=repr)
def test_wrong_tracked_fields_are_refused(names: Any) -> None:
    assert "CQRS_TRACKED_FIELDS" in refusal(MasterMixin, CQRS_TRACKED_FIELDS=names)


@pytest.mark.parametrize("names", ["__all__", ["name"], ("name", "rank")], ids=repr)
def test_right_tracked_fields_are_taken(names: Any) -> None:
    assert define(MasterMixin, CQRS_TRACKED_FIELDS=names).CQRS_ID == "knight"


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"name": "name"}, "CQRS_MAPPING must reach the primary key, 'id'."),
        ({}, "CQRS_MAPPING must reach the primary key, 'id'."),
        ({"id": "id", "name": "nmae"}, "CQRS_MAPPING names fields it does not have: nmae."),
        ({"id": "id", "name": "name", "rank": "name"}, "CQRS_MAPPING maps two fields of the master to one."),
    ],
)
def test_a_wrong_mapping_is_refused(mapping: Any, problem: str) -> None:
    assert refusal(ReplicaMixin, CQRS_MAPPING=mapping) == f"Model Knight: {problem}"


@pytest.mark.parametrize("mapping", [["id", "name"], "id", 5], ids=repr)
def test_a_mapping_that_is_no_dictionary_is_refused(mapping: Any) -> None:
    assert "CQRS_MAPPING" in refusal(ReplicaMixin, CQRS_MAPPING=mapping)


@pytest.mark.parametrize(
    ("mixin", "meta", "registry"),
    [(RawMasterMixin, MasterMeta, MasterRegistry), (RawReplicaMixin, ReplicaMeta, ReplicaRegistry)],
    ids=["master", "replica"],
)
def test_a_model_registered_by_hand_is_checked_too(mixin: Any, meta: Any, registry: Any) -> None:
    nameless = type("Nameless", (mixin,), {"__module__": __name__, "Meta": Meta})
    with pytest.raises(ModelRefused, match="Model Nameless: CQRS_ID must be set"):
        meta.register(nameless)
    assert nameless not in registry.models.values()
