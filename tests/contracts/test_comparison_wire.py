"""Questions, answers and orders of comparisons: golden files, and whatever else may come through their doors."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.models import Outbox, Reconciliation
from celery_cqrs.reconcile import bodies, conversation
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.reconcile.wire import Answer, Order, Question
from celery_cqrs.tasks import compare_rows, reconcile
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef
from tests.conftest import on_sqlite
from tests.contracts.test_decoder import anything, changed
from tests.contracts.test_doors import examples, here, spots
from tests.contracts.test_golden_files import GOLDEN, name_of, read, with_unknown_keys
from tests.reconcile.drift import create_authors
from tests.settle.conftest import sqlite  # noqa: F401 (fixture)

QUESTIONS = sorted(GOLDEN.glob("v*/compare*.json"))
TO_THE_MASTER = sorted(GOLDEN.glob("v*/reconcile*.json"))
NAMES = st.sampled_from(["chunks", "rows", "next", "seen", "failed"])


def decoded(wire):
    """A value of the kind that ``wire`` is."""
    return (Order if "order" in wire else Answer if "reply_to" not in wire else Question).from_message(wire)


@pytest.mark.parametrize("path", [*QUESTIONS, *TO_THE_MASTER], ids=name_of)
def test_what_travels_is_encoded_as_it_was_decoded(path):
    assert decoded(read(path)).to_dict() == read(path)


@pytest.mark.parametrize("path", [*QUESTIONS, *TO_THE_MASTER], ids=name_of)
def test_unknown_keys_of_a_later_version_are_ignored(path):
    wire = with_unknown_keys(read(path))
    assert decoded(wire) == decoded({**read(path), **({"body": wire["body"]} if "body" in wire else {})})


def test_the_golden_bodies_are_read():
    chunks = read(GOLDEN / "v1" / "compare_chunks.json")["body"]
    assert [one.end for one in bodies.intervals_of(chunks)] == [1, 10001, None]
    assert bodies.digests_of(chunks["digests"])[1].count == 10000
    assert [row.revision for row in bodies.rows_of(read(GOLDEN / "v1" / "reconcile_rows.json")["body"])] == [3, 0]
    seen = bodies.sights_of(read(GOLDEN / "v1" / "reconcile_keys.json")["body"])
    assert (seen["17"].revision, seen["23"].floor, seen["23"].has_letter) == (3, 4, True)


def test_what_is_sent_now_looks_like_the_golden_files(sqlite):  # noqa: F811
    create_authors()
    MemoryTransport.clear()
    Outbox.objects.all().delete()  # nothing of them has arrived, and nothing will
    conversation.start("default", Wish(deep=True), ["author"], by_hand=True)
    for envelope in every_message():
        if "kind" in envelope.payload:
            golden = read(
                GOLDEN / "v1" / f"{envelope.task.removeprefix('celery_cqrs.')}_{envelope.payload['kind']}.json"
            )
            assert envelope.payload.keys() == golden.keys()
            assert envelope.payload["body"].keys() == golden["body"].keys()
    assert AuthorRef.objects.count() == 60


def every_message():
    """Each message of a conversation to its end, before it is delivered."""
    while waiting := MemoryTransport.queues["replica"]:
        envelope = waiting.popleft()
        yield envelope
        testing.deliver_one(envelope)


@examples
@given(spot=spots([{**read(path), "queue": "replica"} for path in QUESTIONS]), replacement=anything)
def test_a_question_with_anything_anywhere_is_answered_or_refused(uncommitted, spot, replacement):
    with suppress(MessageRefused):
        compare_rows(here(uncommitted, changed(*spot, replacement)))


@examples
@given(spot=spots([read(path) for path in TO_THE_MASTER]), replacement=anything)
def test_an_answer_with_anything_anywhere_is_taken_or_refused(uncommitted, spot, replacement):
    with suppress(MessageRefused):
        reconcile(here(uncommitted, changed(*spot, replacement)))


@on_sqlite
@examples
@given(kind=st.sampled_from(["chunks", "rows", "keys"]), body=st.dictionaries(NAMES, anything, max_size=2))
def test_an_answer_that_makes_no_sense_ends_its_run_and_changes_nothing(uncommitted, kind, body):
    run = asked_for(kind)
    answer = {"run": run.token, "number": run.inquiries.get().pk, "outbox": uncommitted, "queue": "replica"}
    reconcile({"v": 1, **answer, "kind": kind, "body": body})
    run.refresh_from_db()
    assert run.state in ("failed", "running", "complete")
    assert run.repaired == 0
    assert not Outbox.objects.exists()


def asked_for(kind):
    """A run that waits for one answer of this kind."""
    Reconciliation.objects.all().delete()
    moments = dict.fromkeys(["started_at", "heard_at"], timezone.now())
    facts = {"cqrs_id": "author", "queue": "replica", "state": "running", "key_kind": "integer", "walked": True}
    run = Reconciliation.objects.create(token="0" * 32, **facts, **moments)
    payload = {"intervals": [[None, None]], "digests": [[0, 0, 0]], "slices": 64, "suspects": [["1", 0, None]]}
    run.inquiries.create(kind=kind, payload=payload, asked_at=timezone.now(), tries=1)
    return run
