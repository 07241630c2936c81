"""Whatever comes through a task's door, on every database: it is settled, or refused by the package's own error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.mixins import ReplicaMixin
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Retry, Skipped, Waiting
from celery_cqrs.replica.receive import receive
from celery_cqrs.tasks import apply_batch, confirm_batches, repair_rows, retry_letters
from tests.app.models import AuthorRef
from tests.contracts.test_decoder import anything, changed, places
from tests.contracts.test_golden_files import APPLY, CONFIRM, REPAIR, read
from tests.receive.wire import author, batch, confirmed, deliver, message, product

examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NOW = timezone.now().isoformat()


def spots(documents):
    """Every place in any of ``documents``."""
    return st.sampled_from([(document, place) for document in documents for place in places(document)])


def here(alias, document):
    """``document`` about the database under test."""
    if isinstance(document, dict):
        return {key: alias if value == "default" else here(alias, value) for key, value in document.items()}
    return [here(alias, item) for item in document] if isinstance(document, list) else document


BATCHES = spots([{**read(path), "sent_at": NOW} for path in APPLY])
CONFIRMATIONS = spots([read(path) for path in CONFIRM])
REPAIRS = spots([{**read(path), "queue": "replica"} for path in REPAIR])


@examples
@given(spot=BATCHES, replacement=anything)
def test_a_batch_with_anything_anywhere_is_settled(uncommitted, spot, replacement):
    apply_batch(changed(*spot, replacement))


@examples
@given(garbage=st.lists(anything, max_size=4))
def test_anything_beside_good_messages_harms_none_of_them(uncommitted, garbage):
    AuthorRef.objects.update(rival=None)  # MariaDB would not delete a parent before its child
    AuthorRef.objects.all().delete()
    Letter.objects.all().delete()
    apply_batch(batch(author(1), *garbage, author(2)))
    assert {1, 2} <= set(AuthorRef.objects.values_list("pk", flat=True))


FIELDS = {
    author: ["id", "name", "born", "rival", "cqrs_updated", "cqrs_revision"],
    product: ["id", "sku", "title", "price"],
}
CHANGES = st.sampled_from([(make, name) for make, names in FIELDS.items() for name in names])


@examples
@given(change=CHANGES, value=anything, path=st.sampled_from(["auto", "instance"]), sync=st.booleans())
def test_a_message_with_anything_for_a_value_ends_and_its_neighbours_are_applied(
    uncommitted, change, value, path, sync
):
    make, name = change
    bad = make(5, signal_type="SYNC") if sync and make is author else make(5 if make is author else "5")
    bad["instance_data"][name] = value
    AuthorRef.objects.update(rival=None)  # MariaDB would not delete a parent before its child
    AuthorRef.objects.all().delete()
    ReplicaMixin.CQRS_APPLY = path
    try:
        endings = deliver(author(1), bad, author(2))
    finally:
        ReplicaMixin.CQRS_APPLY = "auto"
    assert len(endings) in (2, 3)
    assert {type(one) for one in endings} <= {Applied, Skipped, Retry, Waiting, Dead}
    assert {1, 2} <= set(AuthorRef.objects.values_list("pk", flat=True))


@examples
@given(spot=CONFIRMATIONS, replacement=anything)
def test_a_confirmation_with_anything_anywhere_is_taken_or_refused(uncommitted, spot, replacement):
    with suppress(MessageRefused):
        confirm_batches(here(uncommitted, changed(*spot, replacement)))


@pytest.mark.parametrize("queue", ["\ud800", "a\x00b", "x" * 1_000])
def test_a_confirmation_for_what_names_no_queue_is_refused(uncommitted, queue):
    wire = {"v": 1, "queue": queue, "batches": []}
    wire["batches"] = [{"outbox": uncommitted, "sent_at": "2026-01-02T03:04:05+00:00", "outbox_ids": []}]
    with pytest.raises(MessageRefused, match="names no queue"):
        confirm_batches(wire)


@examples
@given(spot=REPAIRS, replacement=anything)
def test_a_question_with_anything_anywhere_is_answered_or_refused(uncommitted, spot, replacement):
    with suppress(MessageRefused):
        repair_rows(here(uncommitted, changed(*spot, replacement)))


@examples
@given(arguments=st.lists(anything, max_size=3), keywords=st.dictionaries(st.text(min_size=1), anything, max_size=2))
def test_a_wake_up_of_letters_takes_any_arguments(uncommitted, arguments, keywords):
    retry_letters(*arguments, **keywords)


@pytest.mark.parametrize("depth", [100, 800, 900, 5_000])
def test_values_nested_so_deeply_that_they_cannot_be_written_are_settled(uncommitted, depth):
    """The worker reads a message high on its stack, and could write it only there."""
    value = []
    for _ in range(depth):
        value = [value]
    payload = batch(author(1), author(2), author(3), message("specimen", 4, line="-"), author(5))
    for index in (1, 2):
        payload["messages"][index]["instance_data"]["name"] = value
    payload["messages"][3]["instance_data"] |= {"tree": value, "code": "c0ffee00-0000-4000-8000-000000000000"}
    payload["messages"].append(value)
    receive(payload)
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 5}
    assert Letter.objects.filter(cqrs_id="author").count() == 2
    assert {100, 200, 300, 400, 500} == set(confirmed())
