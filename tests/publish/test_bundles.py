"""Bundles are told key by key: what is wrong with one of them harms no other, and nothing of them is lost."""

import pytest
from django.db import connections

from celery_cqrs import testing
from celery_cqrs.master import breaker, bundles
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Beacon, Box, Product, Shelf
from tests.publish.conftest import let_pass, pending, sizes

MANY = bundles.LEAST_KEYS


def create(count=MANY, **values):
    Product.cqrs.bulk_create([Product(**{"sku": f"p{number}", "title": "x", **values}) for number in range(count)])


def sent_keys(queue="replica"):
    return [message["instance_pk"] for message in testing.sent_messages(queue)]


def left():
    """The keys that wait in bundles, and those that wait in rows of their own."""
    bundled = [key for row in Outbox.objects.filter(kind="bundle") for key in row.keys if key is not None]
    return bundled, list(Outbox.objects.filter(kind="sync").values_list("pk_text", flat=True))


def test_every_key_is_a_message_with_a_number_of_its_own(uncommitted):
    create()
    drain_all(uncommitted)
    messages = testing.sent_messages("replica")
    assert sent_keys() == [f"p{number}" for number in range(MANY)]
    assert len({row_id for message in messages for row_id in message["outbox_ids"]}) == MANY
    assert all(message["signal_type"] == "SAVE" and message["instance_data"]["title"] == "x" for message in messages)


def test_a_message_of_a_bundle_looks_like_any_other(uncommitted):
    create()
    Product.objects.create(sku="alone", title="x")
    drain_all(uncommitted)
    *bundled, alone = sorted(testing.sent_messages("replica"), key=lambda message: message["instance_pk"] == "alone")
    assert bundled[0].keys() == alone.keys()
    differing = {"instance_pk", "instance_data", "outbox_ids", "captured_at", "expires"}
    assert all(bundled[0][name] == alone[name] for name in alone.keys() - differing)
    assert bundled[0]["instance_data"].keys() == alone["instance_data"].keys()


def test_batches_are_as_large_as_the_settings_say(uncommitted, configure):
    configure(master={"replicas": {"replica": "__all__"}, "batch_size": 150})
    create(500)
    drain_all(uncommitted)
    assert sizes() == [150, 150, 150, 50]


def test_keys_whose_rows_are_gone_need_no_message(uncommitted):
    create()
    Product.objects.filter(sku__in=["p1", "p3"]).delete()
    drain_all(uncommitted)
    saved = [message for message in testing.sent_messages("replica") if message["signal_type"] == "SAVE"]
    assert len(saved) == MANY - 2
    testing.deliver()
    assert left() == ([], [])


def test_the_state_that_travels_is_the_one_at_publishing(uncommitted):
    create()
    Product.objects.filter(sku="p1").update(title="later", cqrs_revision=7)
    drain_all(uncommitted)
    (told,) = [one["instance_data"] for one in testing.sent_messages("replica") if one["instance_pk"] == "p1"]
    assert told["title"] == "later" and told["cqrs_revision"] == 7


def test_a_row_that_has_left_the_filter_is_not_told(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.cqrs.bulk_create([Box(shelf=shelf, label="box") for _ in range(MANY)])
    hidden = Box.objects.first()
    Box.objects.filter(pk=hidden.pk).update(label="-")
    drain_all(uncommitted)
    boxes = [message for message in testing.sent_messages("replica") if message["cqrs_id"] == "box"]
    assert len(boxes) == MANY - 1 and str(hidden.pk) not in left()[0]


@pytest.mark.parametrize("count", [MANY, 700])
def test_a_key_that_cannot_be_told_waits_alone_with_its_error(uncommitted, monkeypatch, count):
    tell = Product.to_cqrs_dict

    def fail(self, *args, **kwargs):
        if self.sku == "p5":
            raise RuntimeError("no words for it")
        return tell(self, *args, **kwargs)

    monkeypatch.setattr(Product, "to_cqrs_dict", fail)
    create(count)
    drain_all(uncommitted)
    assert len(sent_keys()) == count - 1 and left()[1] == ["p5"]
    assert "no words for it" in Outbox.objects.get(kind="sync").error
    assert testing.deliver() and left() == ([], ["p5"])


def test_a_message_that_the_broker_refuses_waits_alone_with_its_error(uncommitted, broker):
    broker.refuses = lambda message: message["instance_pk"] == "p9"
    create()
    drain_all(uncommitted)
    assert left()[1] == ["p9"] and "p9" not in sent_keys() and len(sent_keys()) == MANY - 1


def test_a_broker_that_goes_away_gets_all_of_it_when_it_is_back(uncommitted, broker):
    broker.sends_left = 1
    create(1_500)
    drain_all(uncommitted)
    assert pending() == 2
    broker.sends_left = None
    breaker.reset()
    drain_all(uncommitted)
    assert set(sent_keys()) == {f"p{number}" for number in range(1_500)} and pending() == 0


def test_what_no_replica_confirms_is_sent_again_whole(uncommitted):
    create()
    drain_all(uncommitted)
    MemoryTransport.clear()
    let_pass(60)
    assert resend(uncommitted) == MANY
    drain_all(uncommitted)
    assert len(sent_keys()) == MANY and Outbox.objects.get().attempts == 2


def test_a_probe_is_about_a_batch_and_not_all_that_waits(uncommitted):
    create(2_000)
    drain_all(uncommitted)
    MemoryTransport.clear()
    let_pass(60)
    assert resend(uncommitted) == 500


def test_two_queues_that_see_the_same_are_told_from_one_reading(uncommitted, configure, django_assert_max_num_queries):
    configure(master={"replicas": {"shop": ["product"], "search": ["product"]}})
    create()
    drain_all(uncommitted)
    assert sent_keys("shop") == sent_keys("search") == [f"p{number}" for number in range(MANY)]


def test_each_queue_gets_its_own_fields_of_a_bundle(uncommitted, configure, monkeypatch):
    configure(master={"replicas": {"shop": ["product"], "search": ["product"]}})
    monkeypatch.setattr(Product, "CQRS_FIELDS", {"shop": ["sku"], "search": "__all__"})
    create(secret="hush")
    drain_all(uncommitted)
    told = {queue: testing.sent_messages(queue)[0]["instance_data"] for queue in ("shop", "search")}
    assert "secret" not in told["shop"] and told["search"]["secret"] == "hush"


def test_a_model_that_is_registered_no_more_loses_nothing(uncommitted):
    Beacon.cqrs.bulk_create([Beacon(text="fire") for _ in range(MANY)])
    Outbox.objects.update(cqrs_id="extinct")
    drain_all(uncommitted)
    assert len(left()[1]) == MANY and "Bring it back" in Outbox.objects.first().error


def test_a_drain_goes_on_until_all_bundles_are_sent_and_counts_rows(uncommitted):
    create(5_000)
    assert drain_all(uncommitted) == 10 and pending() == 0


def test_bundles_and_rows_are_sent_in_the_order_of_their_capture(uncommitted):
    Product.objects.create(sku="first", title="x")
    create()
    Product.objects.create(sku="last", title="x")
    drain_all(uncommitted)
    assert sent_keys() == ["first", *(f"p{number}" for number in range(MANY)), "last"]


def test_children_come_after_the_parents_that_were_created_by_the_thousand(uncommitted):
    Shelf.cqrs.bulk_create([Shelf(label="x") for _ in range(3_000)])
    Box.objects.create(shelf=Shelf.objects.last(), label="box")
    drain_all(uncommitted)
    assert [message["cqrs_id"] for message in testing.sent_messages("replica")] == ["shelf"] * 3_000 + ["box"]


def test_a_row_saved_again_after_its_bundle_keeps_its_place(uncommitted):
    create()
    Product.objects.get(sku="p1").save()
    drain_all(uncommitted)
    assert sent_keys()[:MANY] == [f"p{number}" for number in range(MANY)]
    testing.deliver()
    assert left() == ([], [])


def test_many_keys_that_cannot_be_told_cost_few_statements(uncommitted, monkeypatch, django_assert_max_num_queries):
    def fail(self, *args, **kwargs):
        raise RuntimeError("no words for it")

    create()
    monkeypatch.setattr(Product, "to_cqrs_dict", fail)
    with django_assert_max_num_queries(40, connection=connections[uncommitted]):
        drain_all(uncommitted)
    assert left()[0] == [] and len(left()[1]) == MANY
