"""Log lines may be parsed, and hold ids, keys and revisions, never the values of fields."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.master.resend import resend
from celery_cqrs.models import Outbox
from celery_cqrs.replica.receive import receive
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, Beacon, Product, Recipe, Step
from tests.publisher.conftest import on_sqlite

SECRET = "Jane-Doe-4711"
pytestmark = on_sqlite


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, database: str) -> Iterator[Callable[[], list[str]]]:
    """The lines of our logger so far; none of them, nor their extras, may hold the secret."""
    caplog.set_level(logging.INFO, "celery_cqrs")
    yield lambda: [record.getMessage() for record in caplog.records if record.name == "celery_cqrs"]
    for record in caplog.get_records("call"):
        if record.name.startswith("celery_cqrs"):
            assert SECRET not in repr((record.getMessage(), vars(record)))


Log = Callable[[], list[str]]


def test_a_change_leaves_one_line_at_each_step(log: Log) -> None:
    Author.cqrs.bulk_create([Author(name=SECRET), Author(name=SECRET)])
    testing.deliver()
    assert log() == [
        "captured 2 SAVE of author for replica",
        "published 2 messages to replica (attempt 1)",
        "received 2 messages from replica (attempt 1): author ×2",
        "applied 2 author",
        "confirmed 2 changes by replica",
    ]


def test_the_lines_of_the_ordinary_flow_are_information(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    Author.objects.create(name=SECRET)
    testing.deliver()
    assert {record.levelname for record in caplog.records if record.name == "celery_cqrs"} == {"INFO"}


def test_a_deletion_is_captured_as_such(log: Log) -> None:
    author = Author.objects.create(name=SECRET)
    author.delete()
    assert "captured 1 DELETE of author for replica" in log()


def test_all_queues_of_a_change_are_named(log: Log, configure: Callable[..., None]) -> None:
    configure(master={"replicas": {"shop": ["author"], "search": "__all__"}})
    Author.objects.create(name=SECRET)
    assert "captured 1 SAVE of author for shop, search" in log()


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("duplicate", lambda batch, newer: receive(batch)),
        ("wrong order", lambda batch, newer: (newer(), receive(batch))),
    ],
)
def test_a_message_that_changes_nothing_says_why(log: Log, reason: str, again: Callable[..., Any]) -> None:
    author = Author.objects.create(name=SECRET)
    batch = MemoryTransport.queues["replica"][0].payload
    testing.deliver()

    def newer() -> None:
        author.save()
        testing.deliver()

    again(batch, newer)
    assert f"skipped author {author.pk} revision 0: {reason}" in log()


def test_a_late_message_for_a_deleted_row_says_so(log: Log) -> None:
    author = Author.objects.create(name=SECRET)
    batch, pk = MemoryTransport.queues["replica"][0].payload, author.pk
    author.delete()
    testing.deliver()
    receive(batch)
    assert f"skipped author {pk} revision 0: deleted" in log()


def test_an_expired_message_says_so(log: Log) -> None:
    author = Author.objects.create(name=SECRET)
    batch = MemoryTransport.queues["replica"].popleft().payload
    batch["messages"][0]["expires"] = (timezone.now() - timedelta(seconds=1)).isoformat()
    receive(batch)
    assert f"skipped author {author.pk} revision 0: expired" in log()


def test_a_retry_and_a_death_name_the_key_and_the_reason(log: Log, configure: Callable[..., None]) -> None:
    recipe = Recipe.objects.create(title="explode")
    testing.deliver()
    configure(replica={"CQRS_MAX_RETRIES": 0})
    recipe.save()
    testing.deliver()
    lines = "\n".join(log())
    assert re.search(rf"retrying recipe {recipe.pk} revision 0 in \d+\.\d s: RuntimeError: the oven is on fire", lines)
    assert f"dead recipe {recipe.pk} revision 1: RuntimeError: the oven is on fire" in lines


def test_a_resend_without_evidence_is_called_a_probe(log: Log, configure: Callable[..., None]) -> None:
    configure(master={"resend_after_seconds": 0.000001})
    Author.objects.create(name=SECRET)
    resend("default")
    assert log()[-1] == "probing replica with 1 changes"


def test_a_resend_by_evidence_is_called_so(log: Log, configure: Callable[..., None]) -> None:
    configure(master={"resend_after_seconds": 0.000001, "resend_margin_seconds": 0})
    for name in ("lost", "kept"):
        Author.objects.create(name=f"{name} {SECRET}")
        if name == "lost":
            MemoryTransport.clear()
    testing.deliver()
    resend("default")
    assert log()[-1] == "resending 1 changes to replica"
    drain_all("default")
    assert log()[-1] == "published 1 messages to replica (attempt 2)"


def test_a_broker_that_is_away_is_a_warning(log: Log) -> None:
    MemoryTransport.fail_with = BrokerUnavailable(problem="refused")
    Author.objects.create(name=SECRET)
    assert log()[-1].startswith("not published to replica: The broker cannot be reached (refused).")


def test_a_record_of_one_message_carries_its_facts(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    author = Author.objects.create(name=SECRET)
    batch = MemoryTransport.queues["replica"][0].payload
    testing.deliver()
    receive(batch)
    (record,) = [one for one in caplog.records if one.getMessage().startswith("skipped")]
    assert (record.cqrs_id, record.cqrs_pk, record.cqrs_revision) == ("author", author.pk, 0)


def test_no_value_is_logged_when_all_goes_well(log: Log) -> None:
    author = Author.objects.create(name=SECRET)
    author.name = f"{SECRET} again"
    author.save()
    Product.objects.create(sku="1", title=SECRET, secret=SECRET)
    recipe = Recipe.objects.create(title=SECRET)
    Step.objects.create(recipe=recipe, text=SECRET)
    Beacon.objects.create(text=SECRET)
    testing.deliver()
    author.delete()
    recipe.delete()
    testing.deliver()
    assert len(log()) > 20


@pytest.mark.parametrize("change", ["too long", "of another type", "missing"])
def test_no_value_is_logged_when_it_does_not_fit(log: Log, change: str) -> None:
    Product.objects.create(sku="1", title=SECRET)
    batch = MemoryTransport.queues["replica"].popleft().payload
    data = batch["messages"][0]["instance_data"]
    data["price"] = {"too long": SECRET * 50, "of another type": [SECRET], "missing": SECRET}[change]
    if change == "missing":
        del data["title"]
    receive(batch)
    assert log()[-1].startswith(("dead product 1", "confirmed"))


@pytest.mark.parametrize("key", ["instance_data", "previous_data", "meta"])
@pytest.mark.parametrize("shape", [SECRET, [SECRET]], ids=["text", "list"])
def test_no_value_of_a_malformed_message_is_logged(log: Log, key: str, shape: Any) -> None:
    Author.objects.create(name=SECRET)
    batch = MemoryTransport.queues["replica"].popleft().payload
    batch["messages"][0][key] = shape
    receive(batch)
    assert [line for line in log() if line.startswith("dead")]


def test_no_value_is_logged_when_a_row_cannot_be_serialized(log: Log) -> None:
    recipe = Recipe.objects.create(title="unserializable")
    assert log()[-1].startswith(f"set aside recipe {recipe.pk}: ")
    assert Outbox.objects.get().error
    breaker.reset()
