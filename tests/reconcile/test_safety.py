"""What no comparison does: delete much, delete what may still be the master's, lower a revision, touch letters."""

from __future__ import annotations

import pytest
from django.db.models import Q
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.testing.stage import Stage
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.reconcile.drift import contents, counts, create_authors
from tests.settle.conftest import sqlite  # noqa: F401 (fixture)


@pytest.fixture
def stage(sqlite):  # noqa: F811
    """Sixty authors that both sides have."""
    stage = Stage()
    create_authors()
    stage.deliver()
    return stage


def compare(**wish):
    """A run as a person asks for it, to its end."""
    (run,) = conversation.start("default", Wish(**wish), ["author"], by_hand=True)
    testing.deliver()
    run.refresh_from_db()
    return run


def delete_silently(*keys):
    """Rows of the master go, and nobody is told."""
    Author.objects.filter(pk__in=keys)._raw_delete("default")


# ── deletions ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_empty_master_does_not_empty_a_replica(stage, configure):
    configure(reconcile={"max_delete_ratio": 1})
    delete_silently(*range(1, 61))
    run = compare(deep=True)
    assert (run.state, run.extra, run.repaired) == ("complete", 60, 0)
    assert "has no row at all" in run.note and "--force" in run.note
    assert AuthorRef.objects.count() == 60


def test_more_extra_rows_than_the_ratio_allows_are_left_alone_until_forced(stage):
    delete_silently(*range(1, 8))
    run = compare()
    assert (run.extra, run.repaired, run.remaining) == (7, 0, 7)
    assert "more than max_delete_ratio (0.1) of the replica's 60" in run.note
    forced = compare(force=True)
    assert (forced.extra, forced.repaired, forced.note) == (7, 7, "")
    assert AuthorRef.objects.count() == 53


def test_extra_rows_are_deleted_above_what_the_replica_knows(stage):
    AuthorRef.objects.filter(pk=1).update(cqrs_revision=6)
    delete_silently(1)
    assert compare().repaired == 1
    assert Tombstone.objects.get(side="master", pk_text="1").revision == 7
    Author.objects.create(id=1, name="new life")
    stage.deliver()
    assert contents(AuthorRef) == contents(Author)


def test_a_row_that_comes_back_before_its_deletion_is_not_deleted(stage):
    delete_silently(1)
    (run,) = conversation.start("default", Wish(), ["author"], by_hand=True)
    while MemoryTransport.queues["replica"]:
        envelope = MemoryTransport.queues["replica"].popleft()
        if envelope.payload.get("kind") == "keys" and "seen" in envelope.payload["body"]:
            Author.objects.create(id=1, name="came back")
        testing.deliver_one(envelope)
    run.refresh_from_db()
    assert (run.state, run.extra, run.repaired) == ("complete", 0, 0)
    assert AuthorRef.objects.filter(pk=1).exists()
    assert counts(compare(deep=True)) == {"content": 1}
    assert contents(AuthorRef) == contents(Author)


# ── copies from a backup ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_replica_restored_from_yesterday_is_brought_up_to_date(stage):
    yesterday = list(AuthorRef.objects.all())
    Author.objects.get(pk=5).delete()
    for author in Author.objects.filter(pk__in=(1, 2)):
        author.name = "changed today"
        author.save()
    Author.objects.create(id=61, name="new today")
    stage.deliver()
    AuthorRef.objects.all()._raw_delete("default")
    Tombstone.objects.filter(side="replica").delete()
    AuthorRef.objects.bulk_create(yesterday)
    run = compare()
    assert (counts(run), run.remaining) == ({"stale": 2, "extra": 1, "missing": 1}, 0)
    assert contents(AuthorRef) == contents(Author)


def restore_master(stage):
    """The master goes back to where the stage began; its replica has seen more."""
    before = list(Author.objects.all())
    for author in Author.objects.filter(pk__in=(1, 2, 3)):
        author.name = "lost in the restore"
        author.save()
    Author.objects.get(pk=4).delete()
    stage.deliver()
    Author.objects.all()._raw_delete("default")
    Tombstone.objects.filter(side="master").delete()
    Author.objects.bulk_create(before)


def test_a_restored_master_is_recognised_and_mended_when_asked(stage):
    restore_master(stage)
    told = compare(deep=True)
    assert (counts(told), told.remaining) == ({"ahead": 3, "missing": 1}, 3)
    assert AuthorRef.objects.filter(name="lost in the restore").count() == 3
    lifted = compare(deep=True, lift=True)
    assert (counts(lifted), lifted.remaining) == ({"ahead": 3}, 0)
    assert contents(AuthorRef) == contents(Author)
    revisions = Author.objects.filter(pk__lte=5).order_by("pk").values_list("cqrs_revision", flat=True)
    assert list(revisions) == [2, 2, 2, 2, 0]


def test_lifting_tells_every_queue_of_the_row_since_all_others_would_be_behind(stage, configure):
    configure(master={"replicas": {"replica": ["author"], "search": ["author"], "mail": ["product"]}})
    Author.objects.filter(pk=1).update(name="changed silently")
    conversation.start("default", Wish(deep=True), ["author"], by_hand=True)
    testing.deliver("replica")
    waiting = Outbox.objects.filter(pk_text="1").values_list("queue", "signal_type", "direct")
    assert list(waiting) == [("search", "SYNC", True)]
    assert AuthorRef.objects.get(pk=1).name == "changed silently"


# ── what is not drift ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_row_that_waits_as_a_letter_is_counted_and_left_to_its_retries(stage):
    Author.objects.filter(pk=1).update(cqrs_revision=1)
    Letter.objects.create(
        queue="replica", cqrs_id="author", pk_text="1", payload={}, reason="it fails", state="retrying"
    )
    run = compare()
    assert (counts(run), run.repaired, run.remaining) == ({"letter": 1}, 0, 1)
    assert AuthorRef.objects.get(pk=1).cqrs_revision == 0


@pytest.fixture(params=["in Python", "in SQL"])
def filtered(request, monkeypatch, stage):
    """Names that begin with "-" are for nobody else; says so in Python alone, or in SQL too."""
    monkeypatch.setattr(Author, "is_sync_instance", lambda one: not one.name.startswith("-"))
    if request.param == "in SQL":
        monkeypatch.setattr(Author, "cqrs_sync_filter", classmethod(lambda _: ~Q(name__startswith="-")))
    Author.objects.filter(pk__in=(1, 2)).update(name="-secret")
    Author.objects.create(id=99, name="-never sent")
    stage.deliver()
    return stage


def test_a_row_that_left_the_filter_stays_on_the_replica(filtered):
    run = compare(deep=True)
    assert (run.state, counts(run)) == ("complete", {})
    assert AuthorRef.objects.count() == 60


def test_a_row_that_left_the_filter_is_removed_where_the_model_wants_it(filtered, monkeypatch):
    monkeypatch.setattr(Author, "CQRS_DELETE_ON_LEAVE", True)
    run = compare(deep=True)
    assert (counts(run), run.remaining) == ({"extra": 2}, 0)
    assert not AuthorRef.objects.filter(pk__in=(1, 2)).exists()
    assert compare(deep=True).drift == 0


def test_a_filter_that_suddenly_hides_everything_deletes_nothing(filtered, monkeypatch):
    monkeypatch.setattr(Author, "CQRS_DELETE_ON_LEAVE", True)
    monkeypatch.setattr(Author, "cqrs_sync_filter", classmethod(lambda _: Q(pk__lt=0)))
    monkeypatch.setattr(Author, "is_sync_instance", lambda one: False)
    run = compare(deep=True)
    assert (run.extra, run.repaired) == (60, 0)
    assert AuthorRef.objects.count() == 60


def test_a_filter_that_raises_ends_its_own_comparison_alone(stage, monkeypatch):
    def explode(author):
        raise RuntimeError("the filter is on fire")

    monkeypatch.setattr(Author, "is_sync_instance", explode)
    runs = stage.reconcile("author", "product")
    assert {run.cqrs_id: run.state for run in runs} == {"author": "failed", "product": "complete"}
    assert "RuntimeError" in runs[0].note


def test_a_replica_that_has_no_such_model_is_not_comparable(stage):
    (remark,) = stage.reconcile("remark")
    assert (remark.state, remark.active) == ("not comparable", None)
    assert "no replica model has this CQRS_ID" in remark.note


def test_revisions_never_fall_whatever_is_repaired(stage):
    moments = {"cqrs_updated": timezone.now()}
    AuthorRef.objects.filter(pk=1).update(cqrs_revision=9, **moments)
    AuthorRef.objects.filter(pk=2).update(name="edited", **moments)
    Author.objects.filter(pk=3).update(name="silent")
    before = dict(AuthorRef.objects.values_list("pk", "cqrs_revision"))
    compare(deep=True, lift=True, force=True)
    after = dict(AuthorRef.objects.values_list("pk", "cqrs_revision"))
    assert all(after[pk] >= revision for pk, revision in before.items())
    assert contents(AuthorRef) == contents(Author)
