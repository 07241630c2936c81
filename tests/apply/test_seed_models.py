"""Replica models as the documents of django-cqrs show them: written once for it, they work here."""

from __future__ import annotations

from typing import Any, ClassVar

import django.db
import pytest

from celery_cqrs.dj_cqrs.dataclasses import TransportPayload
from celery_cqrs.dj_cqrs.mixins import RawReplicaMixin, ReplicaMixin
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Retry
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica import receive
from tests.app.models import AuthorRef
from tests.harness.models import forgotten_models
from tests.receive.wire import UPDATED, author, deletion, deliver, retry_now

pytestmark = pytest.mark.usefixtures("scratch_registry")


@pytest.fixture
def scratch_registry(sqlite):
    """The models of a test are forgotten after it."""
    with forgotten_models():
        yield


def replica(**members: Any) -> Any:
    """A proxy of AuthorRef with the id "example" and these members."""
    meta = type("Meta", (), {"proxy": True, "app_label": "app"})
    return type("Example", (AuthorRef,), {"__module__": __name__, "CQRS_ID": "example", "Meta": meta, **members})


def example(pk=1, revision=0, **values):
    """A message for it."""
    return {**author(pk, revision, **values), "cqrs_id": "example"}


def test_a_hook_that_raises_and_one_that_answers_none_are_retried():
    def cqrs_create(cls, sync, mapped_data, previous_data=None, meta=None):
        raise Exception("Some issue during create")

    def cqrs_update(self, sync, mapped_data, previous_data=None, meta=None):
        return None

    deliver(author(2))
    replica(cqrs_create=classmethod(cqrs_create), cqrs_update=cqrs_update)
    endings = deliver(example(1), example(2, 1))
    assert [type(ending) for ending in endings] == [Retry, Retry]
    assert {one.pk_text for one in Letter.objects.all()} == {"1", "2"}


class Linear:
    """The policy of the documents, in each of the two ways of writing it."""

    @classmethod
    def of_class(cls) -> dict[str, Any]:
        """With the class as the first argument."""

        def get_cqrs_retry_delay(cls, current_retry=0):
            return (current_retry + 1) * 60

        def should_retry_cqrs(cls, current_retry, exception=None):
            return current_retry < 1 or isinstance(exception, django.db.OperationalError)

        hooks = {"get_cqrs_retry_delay": get_cqrs_retry_delay, "should_retry_cqrs": should_retry_cqrs}
        return {name: classmethod(hook) for name, hook in hooks.items()}

    @classmethod
    def static(cls) -> dict[str, Any]:
        """Without."""

        def get_cqrs_retry_delay(current_retry=0):
            return (current_retry + 1) * 60

        def should_retry_cqrs(current_retry, exception=None):
            return current_retry < 1 or isinstance(exception, django.db.OperationalError)

        hooks = {"get_cqrs_retry_delay": get_cqrs_retry_delay, "should_retry_cqrs": should_retry_cqrs}
        return {name: staticmethod(hook) for name, hook in hooks.items()}


@pytest.mark.parametrize("policy", [Linear.of_class, Linear.static], ids=["class methods", "static methods"])
@pytest.mark.parametrize(
    ("error", "last"), [(RuntimeError("broken"), Letter.DEAD), (django.db.OperationalError("busy"), Letter.RETRYING)]
)
def test_a_policy_of_its_own_sees_the_error_and_decides(policy, error, last):
    def cqrs_create(cls, sync, mapped_data, previous_data=None, meta=None):
        raise error

    replica(cqrs_create=classmethod(cqrs_create), **policy())
    (ending,) = deliver(example())
    assert ending.after_seconds == 60
    retry_now()
    assert Letter.objects.get().state == last


def test_a_model_gets_meta_and_passes_it_on_to_the_original_hook():
    seen = []

    def cqrs_update(self, sync, mapped_data, previous_data=None, meta=None):
        seen.append(meta)
        return AuthorRef.cqrs_update(self, sync, mapped_data, previous_data, meta)

    deliver(author(1))
    replica(CQRS_META=True, cqrs_update=cqrs_update)
    assert deliver({**example(1, 1), "meta": {"access": {"owner": False}}}) == [Applied()]
    assert seen == [{"access": {"owner": False}}]


def test_a_save_without_meta_in_its_signature_gets_previous_data():
    seen = []

    def cqrs_save(cls, master_data, previous_data=None, sync=False):
        seen.append((master_data["name"], previous_data, sync))
        return super(AuthorRef, cls).cqrs_save(master_data, previous_data, sync)

    replica(cqrs_save=classmethod(cqrs_save))
    assert deliver({**example(1, name="Ann"), "previous_data": {"name": "A"}}) == [Applied()]
    assert seen == [("Ann", {"name": "A"}, False)]
    assert AuthorRef.objects.get().name == "Ann"


def test_a_delete_without_meta_in_its_signature_is_called():
    def cqrs_delete(cls, master_data):
        return super(AuthorRef, cls).cqrs_delete(master_data)

    deliver(author(1))
    replica(cqrs_delete=classmethod(cqrs_delete))
    assert deliver({**deletion("author", 1, 1), "cqrs_id": "example"}) == [Applied()]
    assert not AuthorRef.objects.exists()


def test_custom_serialization_keeps_what_the_master_nested():
    rows = []

    def cqrs_create(cls, sync, mapped_data, previous_data=None, meta=None):
        rows.append(mapped_data["books"])
        own = {name: mapped_data[name] for name in ("id", "name", "cqrs_revision", "cqrs_updated")}
        return cls._default_manager.create(**own)

    replica(CQRS_CUSTOM_SERIALIZATION=True, cqrs_create=classmethod(cqrs_create))
    assert deliver(example(1, books=[{"title": "One"}])) == [Applied()]
    assert rows == [[{"title": "One"}]]


def test_what_a_hook_does_to_its_data_does_not_reach_the_next_try():
    def cqrs_create(cls, sync, mapped_data, previous_data=None, meta=None):
        mapped_data["books"].pop()["title"] = "taken"
        previous_data.clear()
        raise RuntimeError("after taking it")

    replica(CQRS_CUSTOM_SERIALIZATION=True, cqrs_create=classmethod(cqrs_create))
    deliver({**example(1, books=[{"title": "One"}]), "previous_data": {"name": "A"}})
    kept = Letter.objects.get().payload
    assert kept["instance_data"]["books"] == [{"title": "One"}]
    assert kept["previous_data"] == {"name": "A"}


def test_what_a_hook_without_a_table_does_to_its_data_does_not_reach_the_next_try():
    class Listener(RawReplicaMixin):
        CQRS_ID = "example"

        @classmethod
        def cqrs_save(cls, master_data: Any, **kwargs: Any) -> bool:
            master_data["books"].clear()
            raise RuntimeError("after taking it")

    ReplicaRegistry.register_model(Listener)
    deliver(example(1, books=["One"]))
    assert Letter.objects.get().payload["instance_data"]["books"] == ["One"]


@pytest.mark.parametrize("locks", [True, False])
def test_rows_are_locked_whether_a_model_asks_for_it_or_not(locks):
    replica(CQRS_SELECT_FOR_UPDATE=locks)
    assert deliver(example(1), example(1, 1)) == [Applied(), Applied()]
    assert AuthorRef.objects.get().cqrs_revision == 1


def test_a_manager_is_called_with_the_arguments_of_django_cqrs():
    mapped = {"id": 1, "name": "Ann", "cqrs_revision": 1, "cqrs_updated": UPDATED}
    row = AuthorRef.cqrs.create_instance(mapped, None, False, None)
    assert AuthorRef.cqrs.update_instance(row, {"name": "Bea"}, {"name": "Ann"}, False, None)
    assert (
        AuthorRef.cqrs.save_instance({**mapped, "cqrs_revision": 2, "name": "Cleo"}, None, False, None).name == "Cleo"
    )
    assert AuthorRef.cqrs.delete_instance({"id": 1, "cqrs_revision": 3, "cqrs_updated": UPDATED}) is True
    assert not AuthorRef.objects.exists()


def test_a_save_and_a_delete_by_hand_take_the_arguments_of_django_cqrs():
    data = {"id": 1, "name": "Ann", "cqrs_revision": 1, "cqrs_updated": "2021-04-30 11:50:05.164341+00:00"}
    assert AuthorRef.cqrs_save(data, previous_data=None, sync=True, meta=None).name == "Ann"
    assert AuthorRef.cqrs_delete({"id": 1, "cqrs_revision": 2, "cqrs_updated": UPDATED}, meta=None) is True


def test_a_payload_of_django_cqrs_is_read_and_applied():
    dumped = {
        "signal_type": "SAVE",
        "cqrs_id": "author",
        "instance_data": {
            "id": 135,
            "name": "Ann",
            "cqrs_revision": 0,
            "cqrs_updated": "2021-04-30 11:50:05.164341+00:00",
        },
        "previous_data": None,
        "instance_pk": 135,
        "correlation_id": None,
        "retries": 30,
        "expires": "2021-05-01T11:50:00+00:00",
    }
    payload = TransportPayload.from_message(dumped)
    assert payload.is_expired() and payload.to_dict() | dumped == payload.to_dict() | {**dumped}
    receive.apply_to_model("author", [payload], fresh=False)
    assert AuthorRef.objects.get().pk == 135


class Listed(ReplicaMixin):
    """An abstract model of a project's own, for what its replicas share."""

    CQRS_MAPPING: ClassVar[Any] = {"id": "id", "name": "name"}

    class Meta:
        abstract = True
        app_label = "app"


def test_an_abstract_model_hands_its_settings_down():
    meta = type("Meta", (), {"app_label": "app"})
    name = django.db.models.CharField(max_length=9)
    row = type("Row", (Listed,), {"__module__": __name__, "CQRS_ID": "listed", "Meta": meta, "name": name})
    assert row.CQRS_MAPPING == Listed.CQRS_MAPPING
    assert Listed not in ReplicaRegistry.models.values()


def test_a_hook_that_lacks_an_argument_is_a_letter_that_names_it():
    def cqrs_create(cls, sync, mapped_data):
        return True

    replica(cqrs_create=classmethod(cqrs_create))
    (ending,) = deliver(example(1))
    assert isinstance(ending, Retry | Dead) and "previous_data" in ending.reason
