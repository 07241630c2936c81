"""A batch that cannot be read is kept, never confirmed, and harms nobody."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter
from celery_cqrs.replica.receive import receive
from celery_cqrs.tasks import apply_batch
from tests.app.models import AuthorRef
from tests.receive.wire import author, batch, confirmations, confirmed, deliver

pytestmark = pytest.mark.django_db

NO_BATCHES = [None, 7, 1.5, True, "text", "", [], [1, 2], {}, {"v": 1}]


def test_a_readable_batch_is_applied_and_confirmed():
    deliver(author(1), author(2))
    assert list(AuthorRef.objects.order_by("pk").values_list("pk", "name")) == [(1, "name at 0"), (2, "name at 0")]
    assert confirmed() == [100, 200]


def test_an_empty_batch_is_answered_by_its_stamp_alone():
    assert deliver(sent_at="2026-01-02T03:04:05+00:00") == []
    assert confirmations() == [{"outbox": "default", "sent_at": "2026-01-02T03:04:05+00:00", "outbox_ids": []}]
    assert not Letter.objects.exists()


@pytest.mark.parametrize("version", [2, 0, -1, "1", None, True, [1], {"v": 1}])
def test_a_batch_of_an_unknown_version_is_a_dead_letter_and_not_confirmed(version):
    assert deliver(author(1), v=version) == []
    kept = Letter.objects.get()
    assert (kept.state, kept.queue) == (Letter.DEAD, "replica")
    assert "wire version" in kept.reason
    assert confirmed() == []
    assert not AuthorRef.objects.exists()


def test_the_letter_of_an_unknown_version_says_what_to_do():
    deliver(author(1), v=9)
    reason = Letter.objects.get().reason
    assert "9" in reason
    assert "Upgrade celery_cqrs" in reason


def test_the_letter_of_an_unknown_version_keeps_the_whole_batch():
    payload = batch(author(1), v=2)
    receive(payload)
    assert Letter.objects.get().payload == payload


def test_the_worker_goes_on_after_a_batch_of_an_unknown_version():
    deliver(author(1), v=2)
    deliver(author(1))
    assert AuthorRef.objects.count() == 1
    assert confirmed() == [100]


def test_a_flood_of_batches_of_an_unknown_version_is_one_letter():
    for revision in range(20):
        deliver(author(1, revision), v=2)
    assert Letter.objects.get().payload["messages"][0]["instance_data"]["cqrs_revision"] == 19


@pytest.mark.parametrize("payload", NO_BATCHES)
def test_what_is_no_batch_at_all_is_a_dead_letter(payload):
    assert list(receive(payload)) == []
    assert Letter.objects.get().state == Letter.DEAD
    assert confirmed() == []


@pytest.mark.parametrize("arguments", [(), (None,), ({"v": 1}, "more")])
def test_the_task_survives_any_arguments(arguments):
    apply_batch(*arguments, unknown="keyword")
    assert Letter.objects.get().state == Letter.DEAD


@pytest.mark.parametrize("key", ["reply_to", "outbox", "sent_at", "messages"])
def test_a_batch_without_a_required_key_names_it_in_its_letter(key):
    deliver(author(1), **{key: None})
    assert f'"{key}"' in Letter.objects.get().reason
    assert confirmed() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reply_to", 7),
        ("reply_to", ""),
        ("outbox", ["default"]),
        ("sent_at", "yesterday"),
        ("sent_at", 1_700_000_000),
        ("messages", {"0": {}}),
        ("messages", "[]"),
        ("attempt", "first"),
        ("queue", 5),
    ],
)
def test_a_batch_with_a_wrong_value_names_the_key_in_its_letter(key, value):
    deliver(author(1), **{key: value})
    assert f'"{key}"' in Letter.objects.get().reason
    assert not AuthorRef.objects.exists()


def test_unknown_keys_of_a_batch_are_ignored():
    deliver(author(1), colour="blue", trace={"id": [1]})
    assert AuthorRef.objects.count() == 1
    assert not Letter.objects.exists()
