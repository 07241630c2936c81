"""A letter whose message has ended in any way is gone, and one that has not is never taken away with it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Reason, Skipped
from tests.app.models import AuthorRef
from tests.receive.wire import author, deletion, deliver, retry_now

pytestmark = pytest.mark.usefixtures("sqlite")


def sync(pk, revision, **data):
    return author(pk, revision, "SYNC", **data)


def failed_sync(pk, revision):
    """A SYNC that found no rival, and waits as a letter."""
    deliver(sync(pk, revision, rival=999))
    return Letter.objects.get(pk_text=str(pk))


def row_by_hand(pk, revision):
    return AuthorRef.objects.create(id=pk, name="by hand", cqrs_revision=revision, cqrs_updated=timezone.now())


def test_a_sync_that_finds_the_row_newer_at_its_retry_is_done_with():
    failed_sync(1, 3)
    row_by_hand(1, 5)
    assert retry_now() == 1
    assert not Letter.objects.exists()
    assert AuthorRef.objects.get().cqrs_revision == 5


def test_a_sync_that_finds_its_row_deleted_later_is_done_with_at_its_retry():
    kept = failed_sync(1, 3)
    deliver(deletion("author", 1, 4))
    kept.save(force_insert=True)
    assert retry_now() == 1
    assert not Letter.objects.exists()


def test_a_save_that_came_too_late_takes_the_letter_of_a_sync_of_its_revision_away():
    failed_sync(1, 3)
    row_by_hand(1, 5)
    deliver(author(1, 3))
    assert not Letter.objects.exists()


def test_a_duplicate_delete_leaves_the_letter_of_a_sync_that_may_equal_it():
    deliver(deletion("author", 1, 3))
    failed_sync(1, 3)
    deliver(deletion("author", 1, 3))
    assert Letter.objects.get().signal_type == "SYNC"


def test_a_sync_that_is_no_longer_meant_for_this_queue_is_done_with_at_its_retry(monkeypatch):
    failed_sync(1, 3)
    monkeypatch.setattr(AuthorRef, "CQRS_ONLY_DIRECT_SYNCS", True)
    assert deliver(sync(2, 0)) == [Skipped(Reason.INDIRECT_SYNC)]
    assert retry_now() == 1
    assert not Letter.objects.exists()


def test_a_failed_sync_takes_the_place_of_a_failed_save_of_its_revision():
    deliver(author(1, 3, rival=999))
    retry_now()
    deliver(sync(1, 3, rival=999))
    kept = Letter.objects.get()
    assert (kept.signal_type, kept.state) == ("SYNC", Letter.WAITING)


def test_a_failed_save_does_not_take_the_place_of_a_failed_sync_of_its_revision():
    failed_sync(1, 3)
    deliver(author(1, 3, rival=999))
    assert Letter.objects.get().signal_type == "SYNC"
