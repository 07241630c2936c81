"""What a message says: the state at the moment of publishing, read in bulk, with what was noted at capture."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.master.drain import drain, drain_all
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, Beacon, Plate, Product, Recipe, Shelf, Step
from tests.publish.conftest import let_pass, sizes


def publish(using, queue="replica"):
    """Publish what is pending; the messages that now wait for ``queue``."""
    drain_all(using)
    return testing.sent_messages(queue)


def batch():
    (envelope,) = MemoryTransport.queues["replica"]
    return envelope.payload


def test_a_save_carries_every_field_with_revision_and_time(uncommitted):
    author = Author.objects.create(name="Ann", born="1900-01-01")
    (message,) = publish(uncommitted)
    data = message["instance_data"]
    assert datetime.fromisoformat(data.pop("cqrs_updated")) == Author.objects.get().cqrs_updated
    assert data == {"id": author.pk, "name": "Ann", "born": "1900-01-01", "rival": None, "cqrs_revision": 0}
    assert (message["signal_type"], message["cqrs_id"], message["instance_pk"]) == ("SAVE", "author", author.pk)
    assert message["outbox_ids"] == [Outbox.objects.get().id]


def test_a_save_carries_the_state_at_publishing_and_not_at_capture(uncommitted):
    Author.objects.create(name="Ann")
    Author.objects.update(name="Bea")
    assert publish(uncommitted)[0]["instance_data"]["name"] == "Bea"


def test_fields_that_were_not_chosen_never_travel(uncommitted):
    Product.objects.create(sku="a", title="x", secret="swordfish")
    (message,) = publish(uncommitted)
    assert set(message["instance_data"]) == {"sku", "title", "price", "cqrs_revision", "cqrs_updated"}


def test_a_row_that_is_gone_needs_no_message(uncommitted):
    Author.objects.create(name="Ann")
    Author.objects.all()._raw_delete(uncommitted)
    assert publish(uncommitted) == [] and not Outbox.objects.exists()


def test_a_deletion_carries_key_revision_time_and_custom_data(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    key = recipe.pk
    recipe.delete()
    (message,) = publish(uncommitted)
    data = message["instance_data"]
    assert datetime.fromisoformat(data.pop("cqrs_updated")).tzinfo is not None
    assert data == {"id": key, "cqrs_revision": 1, "custom": {"title": "soup"}}
    assert message["signal_type"] == "DELETE" and message["instance_pk"] == key


def test_a_deletion_without_custom_data_does_not_mention_any(uncommitted):
    Author.objects.create(name="Ann").delete()
    assert set(publish(uncommitted)[0]["instance_data"]) == {"id", "cqrs_revision", "cqrs_updated"}


def test_a_deletion_of_a_text_key_calls_it_id_too(uncommitted):
    Product.objects.create(sku="a", title="x").delete()
    assert publish(uncommitted)[0]["instance_data"]["id"] == "a"


def test_a_second_life_travels_behind_the_deletion_of_the_first(uncommitted):
    Product.objects.create(sku="a", title="x").delete()
    Product.objects.create(sku="a", title="y")
    told = [(one["signal_type"], one["instance_data"]["cqrs_revision"]) for one in publish(uncommitted)]
    assert told == [("DELETE", 1), ("SAVE", 2)]


def test_a_row_that_the_default_manager_hides_is_published(uncommitted):
    Plate(shelf=Shelf.objects.create(label="top"), is_hidden=True).save()
    assert publish(uncommitted)[-1]["instance_data"]["is_hidden"] is True


def test_keys_travel_as_numbers_or_texts(uncommitted):
    key = uuid.uuid4()
    Author.objects.create(pk=7, name="Ann")
    Product.objects.create(sku="7", title="x")
    Shelf.objects.create(id=key, label="top")
    assert [message["instance_pk"] for message in publish(uncommitted)] == [7, "7", str(key)]


def test_a_message_of_many_rows_lists_them_all_and_the_time_of_the_first(uncommitted):
    author = Author.objects.create(name="Ann")
    let_pass(60)
    author.save()
    (message,) = publish(uncommitted)
    first, second = Outbox.objects.order_by("id")
    assert message["outbox_ids"] == [first.id, second.id]
    assert datetime.fromisoformat(message["captured_at"]) == first.captured_at


def test_a_message_expires_so_long_after_it_was_sent(uncommitted, configure):
    configure(master={"CQRS_MESSAGE_TTL": 90})
    Author.objects.create(name="Ann")
    (message,) = publish(uncommitted)
    sent_at = datetime.fromisoformat(batch()["sent_at"])
    assert datetime.fromisoformat(message["expires"]) == sent_at + timedelta(seconds=90)


def test_a_message_may_live_for_ever(uncommitted, configure):
    configure(master={"CQRS_MESSAGE_TTL": None})
    Author.objects.create(name="Ann")
    assert publish(uncommitted)[0]["expires"] is None


def test_a_batch_says_where_it_comes_from_and_when_it_was_claimed(uncommitted, configure):
    configure(queue="atlas")
    Author.objects.create(name="Ann")
    publish(uncommitted)
    told = batch()
    assert datetime.fromisoformat(told["sent_at"]) == Outbox.objects.get().sent_at
    assert (told["v"], told["reply_to"], told["outbox"]) == (1, "atlas", uncommitted)
    assert (told["attempt"], told["queue"]) == (1, None)


def test_a_batch_counts_its_attempts(uncommitted):
    Author.objects.create(name="Ann")
    for _ in range(3):
        MemoryTransport.clear()
        Outbox.objects.update(sent_at=None)
        publish(uncommitted)
    assert batch()["attempt"] == 3


def test_a_sync_for_one_queue_names_it_in_a_batch_of_its_own(uncommitted):
    author = Author.objects.create(name="Ann")
    author.cqrs_sync(queue="replica")
    drain_all(uncommitted)
    told = [
        (envelope.payload["queue"], [message["signal_type"] for message in envelope.payload["messages"]])
        for envelope in MemoryTransport.queues["replica"]
    ]
    assert told == [(None, ["SAVE"]), ("replica", ["SYNC"])]


def test_what_people_see_of_a_batch_has_counts_and_no_values(uncommitted):
    Product.objects.create(sku="a", title="swordfish")
    Author.cqrs.bulk_create([Author(name="swordfish"), Author(name="swordfish")])
    drain_all(uncommitted)
    (envelope,) = MemoryTransport.queues["replica"]
    assert envelope.summary == "author ×2, product ×1"


@pytest.mark.parametrize("queues", [1, 3])
def test_the_state_of_any_number_of_rows_is_read_in_one_query_a_model(uncommitted, configure, queues):
    configure(master={"replicas": {f"q{number}": "__all__" for number in range(queues)}})

    def statements(rows):
        recipes = Recipe.cqrs.bulk_create([Recipe(title=f"r{number}") for number in range(rows)])
        Step.objects.bulk_create([Step(recipe=recipe, text="boil") for recipe in recipes])
        Beacon.cqrs.bulk_create([Beacon(text="fire") for _ in range(rows)])
        with CaptureQueriesContext(connections[uncommitted]) as queries:
            drain(uncommitted, limit=1000)
        return [query["sql"] for query in queries.captured_queries if "app_" in query["sql"]]

    statements(1)  # the first of a process also looks at the types of the columns
    assert len(statements(1)) == len(statements(40)) == 3
    assert sum(sizes("q0")) == 84


def test_related_rows_that_the_serializer_needs_are_in_the_message(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    Step.objects.create(recipe=recipe, text="boil")
    assert publish(uncommitted)[0]["instance_data"]["steps"] == ["boil"]


def test_a_parent_travels_before_its_child_even_if_it_was_saved_again_after_it(uncommitted):
    with transaction.atomic(using=uncommitted):
        shelf = Shelf.objects.create(label="top")
        Plate.objects.create(shelf=shelf)
        shelf.save()
    assert [message["cqrs_id"] for message in publish(uncommitted)] == ["shelf", "plate"]


def test_children_of_a_cascade_travel_before_their_parent(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Plate.objects.create(shelf=shelf)
    publish(uncommitted)
    MemoryTransport.clear()
    shelf.delete()
    assert [message["cqrs_id"] for message in publish(uncommitted)] == ["plate", "shelf"]
