"""CQRS_FIELDS by queue: what one replica must not see never reaches it, on no way, and it costs no statement."""

import json

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.batch import RepairKey, RepairRequest
from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.repair import repair
from celery_cqrs.models import Outbox
from tests.app.models import Author, Product
from tests.publish.conftest import let_pass, pending

CHOICE = {"shop": ["id", "rival"], "search": "__all__", "mail": ("rival", "id")}
SECRETS = ("Ann", "Bea", "Cleo", "1900-")


@pytest.fixture
def chosen(uncommitted, configure, monkeypatch):
    """Shop and mail see only who an author's rival is; search sees all."""
    configure(master={"replicas": dict.fromkeys(CHOICE, "__all__")})
    monkeypatch.setattr(Author, "CQRS_FIELDS", CHOICE)


def sent(using, queue):
    drain_all(using)
    return testing.sent_messages(queue)


def assert_no_secret_went_to_shop():
    everything = json.dumps(testing.sent_messages("shop") + testing.sent_messages("mail"))
    assert not [secret for secret in SECRETS if secret in everything]


def test_each_queue_gets_its_own_fields(chosen, uncommitted):
    author = Author.objects.create(name="Ann", born="1900-01-01")
    (told,), (all_told,) = sent(uncommitted, "shop"), sent(uncommitted, "search")
    assert set(told["instance_data"]) == {"id", "rival", "cqrs_revision", "cqrs_updated"}
    assert all_told["instance_data"]["name"] == "Ann" and told["instance_pk"] == author.pk
    assert_no_secret_went_to_shop()


def test_previous_values_of_hidden_fields_do_not_travel_either(chosen, uncommitted):
    author = Author.objects.create(name="Ann")
    author.name, author.rival = "Bea", Author.objects.create(name="Cleo")
    author.save()
    told, all_told = sent(uncommitted, "shop"), sent(uncommitted, "search")
    assert [message["previous_data"] for message in told] == [{"rival": None}, {}]
    assert [message["previous_data"] for message in all_told] == [{"name": None, "rival": None}, {"name": None}]
    assert_no_secret_went_to_shop()


def test_a_bulk_update_hides_them_as_well(chosen, uncommitted):
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    Author.cqrs.bulk_update(Author.objects.all(), name="Bea")
    assert sent(uncommitted, "search")[-1]["previous_data"] == {"name": "Ann"}
    assert sent(uncommitted, "shop")[-1]["previous_data"] == {}
    assert_no_secret_went_to_shop()


@pytest.mark.parametrize("queue", [None, "shop"])
def test_a_sync_shows_no_more_than_a_save(chosen, uncommitted, queue):
    author = Author.objects.create(name="Ann", born="1900-01-01")
    author.cqrs_sync(queue=queue)
    told = sent(uncommitted, "shop")[-1]
    assert told["signal_type"] == "SYNC" and set(told["instance_data"]) == {
        "id",
        "rival",
        "cqrs_revision",
        "cqrs_updated",
    }
    assert_no_secret_went_to_shop()


def test_signals_sent_by_hand_show_no_more_than_a_save(chosen, uncommitted):
    authors = Author.objects.bulk_create([Author(name="Ann"), Author(name="Bea")])
    Author.call_post_bulk_create(authors)
    Author.call_post_update(authors)
    assert len(sent(uncommitted, "shop")) == 2
    assert_no_secret_went_to_shop()


def test_a_deletion_tells_the_key_and_what_the_model_itself_adds(chosen, uncommitted, monkeypatch):
    monkeypatch.setattr(Author, "get_custom_cqrs_delete_data", lambda author: {"rank": 7})
    author = Author.objects.create(name="Ann")
    key = author.pk
    author.delete()
    (told,) = sent(uncommitted, "shop")
    assert told["instance_data"].keys() == {"id", "cqrs_revision", "cqrs_updated", "custom"}
    assert told["instance_data"]["id"] == key and told["instance_data"]["custom"] == {"rank": 7}


def test_a_repair_that_a_replica_asks_for_shows_no_more_than_a_save(chosen, uncommitted):
    author = Author.objects.create(name="Ann", born="1900-01-01")
    Outbox.objects.all().delete()
    assert repair(RepairRequest("shop", uncommitted, (RepairKey("author", author.pk, 0),)).to_dict()) == 1
    assert len(sent(uncommitted, "shop")) == 1
    assert_no_secret_went_to_shop()


def test_a_choice_that_became_narrower_holds_for_what_was_captured_before(chosen, uncommitted, monkeypatch):
    author = Author.objects.create(name="Ann")
    drain_all(uncommitted)
    author.name = "Bea"
    author.save()
    monkeypatch.setattr(Author, "CQRS_FIELDS", {**CHOICE, "search": ["id"]})
    (_, told) = sent(uncommitted, "search")
    assert "name" not in told["instance_data"] and told["previous_data"] == {}


def test_the_instance_is_read_once_and_encoded_once_for_each_set_of_fields(chosen, uncommitted, monkeypatch):
    views, encode = [], Author.to_cqrs_dict
    monkeypatch.setattr(Author, "to_cqrs_dict", lambda one, **told: views.append(told["queue"]) or encode(one, **told))
    Author.objects.create(name="Ann")
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        drain_all(uncommitted)
    read = [query["sql"] for query in queries.captured_queries if "app_author" in query["sql"]]
    assert len(read) == 1 and sorted(views) == ["search", "shop"]
    assert sent(uncommitted, "mail")[0]["instance_data"] == sent(uncommitted, "shop")[0]["instance_data"]


def test_an_instance_tells_what_a_queue_sees_and_what_any_of_them_sees(chosen, monkeypatch):
    author = Author(name="Ann")
    assert set(author.to_cqrs_dict(queue="shop")) == {"id", "rival", "cqrs_revision", "cqrs_updated"}
    assert "born" in author.to_cqrs_dict()
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"shop": ["id", "rival"], "search": ["id", "name"]})
    assert set(author.to_cqrs_dict()) == {"id", "name", "rival", "cqrs_revision", "cqrs_updated"}


def test_a_queue_that_is_not_named_gets_nothing_until_it_is(chosen, uncommitted, configure, monkeypatch):
    configure(master={"replicas": {"shop": "__all__", "spy": "__all__"}})
    author = Author.objects.create(name="Ann")
    Author.objects.create(name="Bea").delete()
    assert len(sent(uncommitted, "shop")) == 2 and sent(uncommitted, "spy") == [] and pending() == 3
    assert all("CQRS_FIELDS does not name queue 'spy'" in row.error for row in Outbox.objects.filter(sent_at=None))
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"shop": ["id"], "spy": ["id"]})
    let_pass(11)
    assert author.pk in [message["instance_pk"] for message in sent(uncommitted, "spy")] and pending() == 0


def test_a_queue_that_is_not_named_can_ask_for_nothing(chosen, uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "spy": "__all__"}})
    author = Author.objects.create(name="Ann")
    with pytest.raises(ModelRefused, match="does not name queue 'spy'"):
        author.cqrs_sync(queue="spy")
    assert repair(RepairRequest("spy", uncommitted, (RepairKey("author", author.pk, 0),)).to_dict()) == 0


def test_a_model_that_does_not_choose_by_queue_sends_the_same_to_all(chosen, uncommitted):
    Product.objects.create(sku="a", title="x", secret="Ann")
    assert sent(uncommitted, "shop")[0]["instance_data"] == sent(uncommitted, "search")[0]["instance_data"]
    assert_no_secret_went_to_shop()
