"""Code of the project that fails while a change is captured: the change stands, its row waits, the others go."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connections, transaction

from celery_cqrs import testing
from celery_cqrs.master import outbox
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.repair import repair
from celery_cqrs.models import Outbox
from celery_cqrs.testing.stage import Stage
from tests.app.models import Author, AuthorRef, Box, Recipe, Shelf
from tests.capture.conftest import captured, forget_captured, graves, stored_revision
from tests.harness.claims import claim
from tests.publish.conftest import let_pass

YEAR = 365 * 86_400


def refuse(*_, **__):
    raise RuntimeError("not today")


def unlisted(*_, **__):
    return {"what": object()}


def endless(*_, **__):
    told = {}
    told["again"] = told
    return told


def sent(queue="replica"):
    return [(one["signal_type"], one["instance_pk"], one["meta"]) for one in testing.sent_messages(queue)]


@pytest.fixture
def author(uncommitted):
    made = Author.objects.create(name="Ann")
    forget_captured()
    return made


@pytest.fixture
def held(author, configure):
    """A row of ``author`` that is held, for its meta could not be made; the meta of later rows can."""
    configure(master={"meta_function": refuse})
    author.name = "Bea"
    author.save()
    configure(master={"meta_function": lambda **_: {"who": "me"}})
    return Outbox.objects.get()


@pytest.mark.parametrize(
    ("name", "keys", "problem"),
    [
        ("get_cqrs_meta", {"meta_function": refuse}, "RuntimeError: not today"),
        ("get_cqrs_meta", {"meta_function": unlisted}, "TypeError"),
        ("get_cqrs_meta", {"meta_function": endless}, "RecursionError"),
        ("get_cqrs_meta", {"meta_function": "nowhere.at.all"}, "ModuleNotFoundError"),
        ("correlation_function", {"correlation_function": refuse}, "RuntimeError: not today"),
    ],
)
def test_the_change_of_the_user_stands_and_its_row_says_why_it_waits(author, configure, name, keys, problem):
    configure(master=keys)
    author.name = "Bea"
    author.save()
    row = Outbox.objects.get()
    assert Author.objects.get().name == "Bea" and row.revision == author.cqrs_revision == stored_revision(author) == 1
    assert row.error.startswith(f"Author {author.pk} cannot be serialized: {name} failed with {problem}")


def test_nobody_sends_it_however_long_it_waits(held, uncommitted):
    for seconds in (0, 60, YEAR):
        let_pass(seconds)
        assert drain_all(uncommitted) == 0 and sent() == []


def test_whoever_operates_the_service_hears_of_it(author, configure, caplog):
    configure(master={"correlation_function": refuse})
    author.save()
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert (record.cqrs_id, record.cqrs_pk, record.cqrs_revision) == ("author", str(author.pk), 1)


def test_a_person_lets_it_go_without_what_is_missing(held, author, uncommitted):
    call_command("cqrs_outbox", "retry", "--state", "set_aside", verbosity=0)
    drain_all(uncommitted)
    assert sent() == [("SAVE", author.pk, None)]
    testing.deliver()
    assert AuthorRef.objects.get().name == "Bea" and captured() == []


def test_a_newer_change_of_the_row_takes_it_along(held, author, uncommitted):
    author.name = "Cid"
    author.save()
    drain_all(uncommitted)
    (message,) = testing.sent_messages("replica")
    assert message["meta"] == {"who": "me"} and message["previous_data"] == {"name": "Ann"}
    testing.deliver()
    assert AuthorRef.objects.get().name == "Cid" and captured() == []


def test_a_deletion_takes_it_along(held, author, uncommitted):
    author.delete()
    drain_all(uncommitted)
    testing.deliver()
    assert captured() == [] and not AuthorRef.objects.exists()


def test_an_older_change_goes_and_leaves_it_waiting(author, configure, uncommitted):
    author.save()
    configure(master={"meta_function": refuse})
    author.save()
    drain_all(uncommitted)
    testing.deliver()
    (row,) = Outbox.objects.all()
    assert row.is_held and row.attempts == 0 and row.sent_at is None
    assert AuthorRef.objects.get().cqrs_revision == 2


def test_a_publisher_in_trouble_does_not_let_it_go(author, configure, uncommitted):
    author.save()
    configure(master={"meta_function": refuse})
    author.save()
    outbox.give_back(uncommitted, claim(uncommitted, 10), later_seconds=10)
    let_pass(11)
    assert [row.is_held for row in Outbox.objects.order_by("id")] == [False, True]


def test_a_replica_that_asks_for_the_row_is_answered_all_the_same(held, author, uncommitted):
    request = {
        "v": 1,
        "queue": "replica",
        "outbox": uncommitted,
        "keys": [{"cqrs_id": "author", "instance_pk": author.pk}],
    }
    assert repair(request) == 1
    drain_all(uncommitted)
    assert sent() == [("SYNC", author.pk, {"who": "me"})] and Outbox.objects.get(sent_at=None).is_held


def test_a_comparison_brings_what_it_would_have_told(held, author, uncommitted):
    drain_all(uncommitted)
    stage = Stage([uncommitted])
    stage.reconcile("author")
    stage.deliver()
    assert AuthorRef.objects.get().name == "Bea" and Outbox.objects.get().is_held


def test_one_bad_row_of_a_bulk_waits_and_the_others_go(uncommitted, configure):
    configure(master={"meta_function": lambda obj, **_: refuse() if obj.name == "n7" else {}})
    Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(20)])
    drain_all(uncommitted)
    assert len(sent()) == 19 and "not today" in Outbox.objects.get(sent_at=None).error
    assert Author.objects.count() == 20


def test_only_the_queue_whose_correlation_id_fails_waits(author, uncommitted, configure):
    def correlate(signal_type, cqrs_id, pk, queue):
        return refuse() if queue == "search" else queue

    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}, "correlation_function": correlate})
    author.save()
    drain_all(uncommitted)
    assert len(sent("shop")) == 1 and sent("search") == [] and Outbox.objects.get(queue="search").is_held


def test_a_deletion_whose_custom_data_fail_waits_and_is_remembered(uncommitted, monkeypatch):
    recipe = Recipe.objects.create(title="soup")
    forget_captured()
    key = recipe.pk
    monkeypatch.setattr(Recipe, "get_custom_cqrs_delete_data", refuse)
    recipe.delete()
    assert drain_all(uncommitted) == 0 and not Recipe.objects.exists() and graves() == {("recipe", str(key)): 1}
    assert "get_custom_cqrs_delete_data failed with RuntimeError" in Outbox.objects.get().error
    call_command("cqrs_outbox", "retry", "--state", "set_aside", verbosity=0)
    drain_all(uncommitted)
    assert [(kind, pk) for kind, pk, _ in sent()] == [("DELETE", key)]


def test_a_new_life_goes_before_a_deletion_that_waits(uncommitted, monkeypatch):
    recipe = Recipe.objects.create(title="soup")
    key = recipe.pk
    drain_all(uncommitted)
    testing.deliver()
    monkeypatch.setattr(Recipe, "get_custom_cqrs_delete_data", refuse)
    recipe.delete()
    Recipe.objects.create(pk=key, title="salad")
    drain_all(uncommitted)
    assert [(kind, pk) for kind, pk, _ in sent()] == [("SAVE", key)]
    assert Outbox.objects.get(sent_at=None).signal_type == "DELETE"


def test_a_filter_that_fails_is_asked_again_when_the_row_is_sent(uncommitted, monkeypatch):
    shelf = Shelf.objects.create(label="top")
    with monkeypatch.context() as patch:
        patch.setattr(Box, "is_sync_instance", refuse)
        boxes = [Box.objects.create(shelf=shelf, label=label) for label in ("a", "-a")]
        drain_all(uncommitted)
        assert len(sent()) == 1 and all("not today" in row.error for row in Outbox.objects.filter(sent_at=None))
    let_pass(11)
    drain_all(uncommitted)
    assert [(kind, pk) for kind, pk, _ in sent()][1:] == [("SAVE", boxes[0].pk)]
    assert Outbox.objects.filter(sent_at=None).count() == 0


class Moody(str):
    """A text that will not be compared."""

    __hash__ = str.__hash__
    __ne__ = __eq__ = refuse


def test_a_previous_value_that_cannot_be_told_does_not_undo_the_change(author):
    author.name = Moody("Bea")
    author.save()
    assert "CQRS_TRACKED_FIELDS failed with RuntimeError" in Outbox.objects.get().error
    assert author.get_tracked_fields_data() is None and Author.objects.get().name == "Bea"


def test_an_error_of_the_database_is_the_transactions_own(author, configure, uncommitted):
    def ask(**_):
        with connections[uncommitted].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM app_author")

    configure(master={"meta_function": ask})
    author.name = "Bea"
    with pytest.raises(DatabaseError), transaction.atomic(using=uncommitted):
        author.save()
    assert Author.objects.get().name == "Ann" and captured() == []
