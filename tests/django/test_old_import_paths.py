"""Who moves over from django-cqrs replaces ``dj_cqrs`` by ``celery_cqrs.dj_cqrs`` in the imports, and they work."""

from __future__ import annotations

import pytest
from django.utils.module_loading import import_string

import celery_cqrs
from celery_cqrs import admin_mixins, mixins, registry, signals, testing
from celery_cqrs.message import Message, SignalType

OLD = {
    "mixins.MasterMixin": mixins.MasterMixin,
    "mixins.RawMasterMixin": mixins.RawMasterMixin,
    "mixins.ReplicaMixin": mixins.ReplicaMixin,
    "mixins.RawReplicaMixin": mixins.RawReplicaMixin,
    "metas.MasterMeta": mixins.MasterMeta,
    "metas.ReplicaMeta": mixins.ReplicaMeta,
    "registries.MasterRegistry": registry.MasterRegistry,
    "registries.ReplicaRegistry": registry.ReplicaRegistry,
    "signals.post_bulk_create": signals.post_bulk_create,
    "signals.post_update": signals.post_update,
    "admin.CQRSAdminMasterSyncMixin": admin_mixins.CQRSAdminMasterSyncMixin,
    "admin_mixins.CQRSAdminMasterSyncMixin": admin_mixins.CQRSAdminMasterSyncMixin,
    "dataclasses.TransportPayload": Message,
    "constants.SignalType": SignalType,
    "constants.ALL_BASIC_FIELDS": "__all__",
}


@pytest.mark.parametrize("path", OLD)
def test_an_old_path_leads_to_the_same_thing(path: str) -> None:
    assert import_string(f"celery_cqrs.dj_cqrs.{path}") == OLD[path]


def test_the_old_managers_are_those_of_the_models() -> None:
    from celery_cqrs.dj_cqrs.managers import MasterManager, ReplicaManager
    from tests.app.models import Author, AuthorRef

    assert isinstance(Author.cqrs, MasterManager)
    assert isinstance(AuthorRef.cqrs, ReplicaManager)


@pytest.mark.parametrize("arguments", [{}, {"cqrs_id": "author"}])
def test_related_rows_are_read_in_bulk_with_the_old_word_for_it_or_without(arguments: dict[str, str]) -> None:
    from celery_cqrs.dj_cqrs.utils import bulk_relate_cqrs_serialization

    with bulk_relate_cqrs_serialization(**arguments) as nothing:
        assert nothing is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("receiver", ["post_save", "post_bulk_create", "post_bulk_update"])
def test_the_old_receivers_capture_by_hand(receiver: str) -> None:
    from celery_cqrs.dj_cqrs.signals import MasterSignals
    from tests.app.models import Author, AuthorRef

    ann = Author.objects.create(name="Ann")
    testing.deliver()
    Author.objects.filter(pk=ann.pk).update(name="Bea", cqrs_revision=1)
    ann.refresh_from_db()
    getattr(MasterSignals, receiver)(Author, instance=ann, instances=[ann], using="default", created=False)
    testing.deliver()
    assert AuthorRef.objects.get().name == "Bea"


@pytest.mark.django_db(transaction=True)
def test_the_old_receiver_of_saves_sends_a_sync_when_asked() -> None:
    from celery_cqrs.dj_cqrs.signals import MasterSignals
    from tests.app.models import Author

    ann = Author.objects.create(name="Ann")
    testing.deliver()
    MasterSignals.post_save(Author, instance=ann, using="default", sync=True, queue="replica")
    assert [one["signal_type"] for one in testing.sent_messages("replica")] == ["SYNC"]


def test_the_old_registry_of_signals_registers_a_model() -> None:
    from celery_cqrs.dj_cqrs.signals import MasterSignals
    from tests.app.models import Author

    MasterSignals.register_model(Author)
    assert registry.MasterRegistry.models["author"] is Author


@pytest.mark.parametrize("name", ["MasterMixin", "RawMasterMixin", "ReplicaMixin", "RawReplicaMixin"])
def test_the_mixins_say_where_people_find_them(name: str) -> None:
    assert getattr(mixins, name).__name__ == name


@pytest.mark.parametrize("name", ["MasterMeta", "ReplicaMeta"])
def test_metas_register_models_by_hand(name: str) -> None:
    assert callable(getattr(mixins, name).register)


@pytest.mark.parametrize("registered", [registry.MasterRegistry, registry.ReplicaRegistry])
def test_registries_find_a_model_by_its_id(registered: type[registry.Registry]) -> None:
    assert registered.get_model_by_cqrs_id("author") is registered.models["author"]
    assert registered.get_model_by_cqrs_id("nothing") is None


def test_the_signal_types_are_the_texts_of_django_cqrs() -> None:
    assert {str(one) for one in SignalType} == {"SAVE", "DELETE", "SYNC"}
    assert SignalType.SAVE == "SAVE"


def test_the_package_has_a_version_and_imports_no_models() -> None:
    assert celery_cqrs.__version__.count(".") == 2
