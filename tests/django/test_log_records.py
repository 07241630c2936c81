"""Every record about a message names it: id, key, revision, correlation id. No text that people see has its values."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from celery_cqrs import logs, signals, testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master.resend import resend
from celery_cqrs.message import Message
from celery_cqrs.models import Letter, Outbox
from celery_cqrs.replica.receive import receive
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, Product, Recipe
from tests.publisher.conftest import on_sqlite
from tests.receive.wire import author, batch, deliver, message, recipe, retry_now
from tests.settle.replicas import Failing

SECRET = "Jane-Doe-4711"
Records = Callable[[], list[logging.LogRecord]]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Records:
    """The records of our logger so far."""
    caplog.set_level(logging.DEBUG, "celery_cqrs")
    return lambda: [record for record in caplog.records if record.name == "celery_cqrs"]


def the_only(records: Records, beginning: str) -> dict[str, Any]:
    """The facts of the one record whose text begins so."""
    (record,) = [one for one in records() if one.getMessage().startswith(beginning)]
    return vars(record)


def facts(record: dict[str, Any]) -> tuple[Any, ...]:
    """Id, key, revision, correlation id."""
    return tuple(record[name] for name in ("cqrs_id", "cqrs_pk", "cqrs_revision", "correlation_id"))


@on_sqlite
@pytest.mark.parametrize("beginning", ["published", "received", "applied"])
def test_a_record_of_a_batch_with_one_message_names_it(
    database: str, records: Records, configure: Callable[..., None], beginning: str
) -> None:
    configure(master={"correlation_function": lambda *_, **__: "call-17"})
    pk = Author.objects.create(name=SECRET).pk
    testing.deliver()
    assert facts(the_only(records, beginning)) == ("author", pk, 0, "call-17")


@on_sqlite
def test_records_of_a_large_batch_name_some_of_its_messages(database: str, records: Records) -> None:
    Author.cqrs.bulk_create([Author(name=SECRET) for _ in range(logs.LISTED + 5)])
    testing.deliver()
    for beginning in ("captured", "published", "received", "applied"):
        named = the_only(records, beginning)["cqrs_messages"]
        assert len(named) == logs.LISTED
        assert {"cqrs_id", "cqrs_pk"} <= named[0].keys()
    assert len(the_only(records, "confirmed")["cqrs_outbox_ids"]) == logs.LISTED


@on_sqlite
@pytest.mark.parametrize(
    ("beginning", "wires"),
    [
        ("skipped", [author(1), author(1)]),
        ("retrying", [recipe(1), recipe(1, 1, "explode")]),
        ("waiting", [author(1), author(1, 1, rival=999)]),
        ("dead", [message("author", 1)]),
        ("lost or filtered out 2 packages", [author(1), author(1, 3)]),
    ],
)
def test_a_record_of_an_ending_names_its_message(
    database: str, records: Records, beginning: str, wires: list[dict[str, Any]]
) -> None:
    for wire in wires:
        deliver({**wire, "correlation_id": "call-17"})
    revision = wires[-1]["instance_data"]["cqrs_revision"]
    assert facts(the_only(records, beginning)) == (wires[-1]["cqrs_id"], 1, revision, "call-17")


@on_sqlite
def test_a_message_that_cannot_be_read_is_named_as_far_as_it_can(database: str, records: Records) -> None:
    receive(batch({**author(7, 3), "signal_type": "SHOUT", "correlation_id": {"who": SECRET}}))
    assert facts(the_only(records, "dead")) == ("author", 7, 3, None)


@on_sqlite
def test_a_row_that_is_set_aside_is_named(database: str, records: Records) -> None:
    pk = Recipe.objects.create(title="unserializable").pk
    assert facts(the_only(records, "set aside"))[:3] == ("recipe", str(pk), 0)


@on_sqlite
def test_a_creation_race_is_called_so(database: str, records: Records) -> None:
    """How it arises is told in tests/apply/test_creation_races.py."""
    signals.race_found.send_robust(Message, message=Message.from_message(author(1, 2)))
    assert facts(the_only(records, "creation race on author 1 revision 2")) == ("author", 1, 2, None)


# ── no values ──────────────────────────────────────────────────────────────────────────────────────────────────────
def everything_that_can_happen(configure: Callable[..., None]) -> None:
    """All endings, on both sides, with the secret in every field that takes a text."""
    secret = {"name": SECRET, "born": None, "rival": None}
    failing = message("failing", 1, **secret)
    Failing.error = ValueError(f"{SECRET!r} is not a name; {{'name': '{SECRET}'}}")
    one = Author.objects.create(name=SECRET)
    Product.objects.create(sku="1", title=SECRET, secret=SECRET)
    testing.deliver()
    one.name = f"{SECRET} again"
    one.save()
    MemoryTransport.clear()
    configure(master={"resend_after_seconds": 0.000001})
    resend("default")
    one.delete()
    MemoryTransport.fail_with = BrokerUnavailable(problem="gone")
    Author.objects.create(name=SECRET)
    MemoryTransport.fail_with = None
    past = (timezone.now() - timedelta(seconds=1)).isoformat()
    deliver(failing, author(2, name=SECRET), author(2, name=SECRET), {**author(3, name=SECRET), "expires": past})
    retry_now()
    configure(replica={"CQRS_MAX_RETRIES": 0})
    retry_now()
    deliver(author(4, name=SECRET, born=SECRET), author(5, name=SECRET, rival=999), message("unicorn", 1, **secret))
    deliver(recipe(1, title=SECRET), {**recipe(2), "instance_data": SECRET}, {**author(6), "meta": [SECRET]}, [SECRET])
    receive({"v": 9, "messages": [SECRET]})
    receive(batch(author(8, name=SECRET)), redelivered=True)


@on_sqlite
def test_no_value_of_any_field_is_seen_by_anybody(
    database: str, records: Records, configure: Callable[..., None], client: Client
) -> None:
    everything_that_can_happen(configure)
    seen = [vars(record) | {"text": record.getMessage()} for record in records()]
    assert {text["text"].split()[0] for text in seen} >= {"captured", "published", "not", "received", "applied"}
    assert {text["text"].split()[0] for text in seen} >= {"skipped", "retrying", "dead", "confirmed", "probing"}
    reprs = [envelope.summary for queue in MemoryTransport.queues.values() for envelope in queue]
    reasons = [*Letter.objects.values_list("reason", flat=True), *Outbox.objects.values_list("error", flat=True)]
    names = [str(row) for model in (Letter, Outbox) for row in model.objects.all()]
    assert len(reasons) > 5
    assert SECRET not in repr([seen, reprs, reasons, names])
    client.force_login(get_user_model().objects.create_superuser("root"))
    for model in (Letter, Outbox):
        page = client.get(reverse(f"admin:celery_cqrs_{model.__name__.lower()}_changelist"))
        assert page.status_code == 200
        assert SECRET not in page.content.decode()
