"""What differs is found, counted by kind and repaired in one run; after it nothing differs."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Outbox, Reconciliation
from celery_cqrs.testing.stage import Stage
from tests.app.models import Author, AuthorRef
from tests.reconcile.drift import FIVE, contents, counts, create_authors, make_five_kinds


@pytest.fixture
def stage(database):
    """Sixty authors that both sides have."""
    stage = Stage([database])
    create_authors()
    stage.deliver()
    return stage


def test_five_kinds_of_drift_are_repaired_in_one_deep_run(stage):
    make_five_kinds()
    (first,) = stage.reconcile("author", deep=True)
    assert (first.state, counts(first), first.repaired, first.remaining) == ("complete", FIVE, 5, 0)
    assert first.keys == {"missing": ["10"], "extra": ["50", "900"], "stale": ["20"], "content": ["30"]}
    assert contents(AuthorRef) == contents(Author)
    (second,) = stage.reconcile("author", deep=True)
    assert (second.state, second.drift, second.master_rows, second.replica_rows) == ("complete", 0, 59, 59)
    assert not Outbox.objects.exists()


def test_a_quick_run_finds_all_but_what_has_the_same_revision(stage):
    make_five_kinds()
    (run,) = stage.reconcile("author")
    assert counts(run) == {kind: count for kind, count in FIVE.items() if kind != "content"}
    assert AuthorRef.objects.get(pk=30).name == "edited"


def test_what_an_update_of_a_queryset_has_changed_arrives_with_the_next_deep_run(stage):
    Author.objects.filter(pk__lte=3).update(name="renamed")
    stage.reconcile("author")
    assert not AuthorRef.objects.filter(name="renamed").exists()
    (run,) = stage.reconcile("author", deep=True)
    assert counts(run) == {"content": 3}
    assert AuthorRef.objects.filter(name="renamed").count() == 3
    assert list(Author.objects.filter(pk__lte=4).order_by("pk").values_list("cqrs_revision", flat=True)) == [1, 1, 1, 0]


def test_nothing_is_repaired_where_the_settings_want_a_report(stage, configure):
    configure(reconcile={"repair": False})
    make_five_kinds()
    before = contents(AuthorRef)
    (run,) = stage.reconcile("author", deep=True)
    assert (counts(run), run.repaired, run.remaining) == (FIVE, 0, 5)
    assert contents(AuthorRef) == before


def test_a_run_tells_what_it_compared_and_what_that_cost(stage):
    (run,) = stage.reconcile("author")
    assert (run.master_rows, run.replica_rows, run.deep, run.active) == (60, 60, False, None)
    assert 500 < run.bytes_exchanged < 2_000
    assert run.started_at <= run.heard_at <= run.ended_at
    assert not run.inquiries.exists()
    assert Reconciliation.objects.count() == 1
