"""Meta and correlation ids: computed at capture, in the caller's thread, only where somebody defines them."""

import threading

import pytest

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox
from tests.app.models import Author, Box, Recipe, Shelf
from tests.capture.conftest import forget_captured


@pytest.fixture
def asked(configure):
    """Every call of the meta function, as (thread, keywords)."""
    calls = []

    def describe(**keywords):
        calls.append((threading.current_thread(), keywords))
        return {"who": "me"}

    configure(master={"meta_function": describe})
    return calls


def numbered_by_queue(signal_type, cqrs_id, pk, queue):
    return f"{signal_type}/{cqrs_id}/{pk}/{queue}"


def metas():
    return list(Outbox.objects.order_by("id").values_list("meta", flat=True))


def test_a_model_that_defines_meta_has_it_captured(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    recipe.save()
    recipe.delete()
    assert metas() == [{"kind": "SAVE"}, {"kind": "SAVE"}, {"kind": "DELETE"}]


def test_without_any_definition_there_is_no_meta(uncommitted):
    Author.objects.create(name="Ann")
    assert metas() == [None]


def test_the_meta_function_of_the_settings_serves_the_other_models(uncommitted, asked):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    author.save()
    (_, created), (_, saved) = asked
    assert created["obj"] is author and str(created["signal_type"]) == "SAVE"
    assert saved["previous_data"] == {"name": "Ann"}
    assert saved["instance_data"]["name"] == "Bea" and saved["instance_data"]["cqrs_revision"] >= 0
    assert metas() == [{"who": "me"}] * 2


def test_meta_of_a_deletion_is_made_from_what_memory_knows_of_it(uncommitted, asked, monkeypatch):
    monkeypatch.setattr(Author, "get_custom_cqrs_delete_data", lambda self: {"why": "old"})
    author = Author.objects.create(name="Ann")
    key = author.pk
    asked.clear()
    author.delete()
    ((_, keywords),) = asked
    data = keywords["instance_data"]
    assert (data["id"], data["cqrs_revision"], data["custom"]) == (key, 1, {"why": "old"})
    assert isinstance(data["cqrs_updated"], str) and str(keywords["signal_type"]) == "DELETE"


def test_meta_is_made_once_for_all_queues(uncommitted, asked, configure):
    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}})
    Author.objects.create(name="Ann")
    assert len(asked) == 1 and metas() == [{"who": "me"}] * 2


def test_meta_is_made_in_the_thread_that_saves(uncommitted, asked):
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert [thread for thread, _ in asked] == [threading.current_thread()]


def test_meta_is_not_made_for_what_is_not_sent(uncommitted, asked):
    shelf = Shelf.objects.create(label="top")
    asked.clear()
    Box.objects.create(shelf=shelf, label="-a")
    assert asked == []


def test_a_meta_function_may_be_named_by_its_path(uncommitted, configure):
    configure(master={"meta_function": "tests.capture.conftest.meta_by_path"})
    Author.objects.create(name="Ann")
    assert metas() == [{"model": "Author"}]


def test_the_newest_meta_of_a_transaction_travels(uncommitted, configure):
    numbers = iter(range(10))
    configure(master={"meta_function": lambda **_: {"number": next(numbers)}})
    author = Author.objects.create(name="Ann")
    author.save()
    author.save()
    drain_all(uncommitted)
    assert [message["meta"] for message in testing.sent_messages("replica")] == [{"number": 2}]


def test_each_queue_has_a_correlation_id_of_its_own(uncommitted, configure):
    configure(
        master={"replicas": {"shop": "__all__", "search": "__all__"}, "correlation_function": numbered_by_queue},
    )
    author = Author.objects.create(name="Ann")
    drain_all(uncommitted)
    sent = [testing.sent_messages(queue)[0]["correlation_id"] for queue in ("shop", "search")]
    assert sent == [f"SAVE/author/{author.pk}/shop", f"SAVE/author/{author.pk}/search"]


def test_a_correlation_id_of_another_type_travels_as_its_text(uncommitted, configure):
    given = iter([17, None, ("a", 1)])
    configure(master={"correlation_function": lambda *_: next(given)})
    for name in "abc":
        Author.objects.create(name=name)
    assert list(Outbox.objects.order_by("id").values_list("correlation_id", flat=True)) == [17, None, "('a', 1)"]


def test_a_serializer_that_fails_does_not_fail_the_save(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    forget_captured()
    recipe.title = "unserializable"
    recipe.save()
    assert Outbox.objects.count() == 1 and Recipe.objects.get().title == "unserializable"
