"""Masters that keep rows of one model on several databases: each of them judges its own rows and no other's."""

from __future__ import annotations

import pytest

from celery_cqrs import testing
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish
from tests import router
from tests.app.models import Author, AuthorRef
from tests.reconcile.drift import counts
from tests.reconcile.test_pairs import carry, every_database

pytestmark = every_database
MASTERS = ("default", "postgres")
REPLICA = "mariadb"


@pytest.mark.parametrize("leave", [False, True])
def test_rows_of_the_other_database_are_no_extra_ones(monkeypatch, leave):
    monkeypatch.setattr(Author, "CQRS_DELETE_ON_LEAVE", leave)
    for number, master in enumerate(MASTERS):
        with router.using(master):
            Author.objects.bulk_create(Author(id=10 * number + pk, name="Ann") for pk in range(1, 4))
            Author.call_post_bulk_create(list(Author.objects.all()), using=master)
        carry(master, REPLICA)
    with router.using(REPLICA):
        assert AuthorRef.objects.count() == 6
        AuthorRef.objects.create(id=99, name="Nobody", cqrs_revision=0, cqrs_updated="2026-01-01T00:00Z")
    for master in MASTERS:
        with router.using(master):
            (run,) = conversation.start(master, Wish(deep=True, force=True), ["author"], by_hand=True)
        carry(master, REPLICA)
        run = Reconciliation.objects.using(master).get(pk=run.pk)
        assert counts(run) == ({"extra": 1} if master == MASTERS[0] else {})
    with router.using(REPLICA):
        assert AuthorRef.objects.count() == 6
    assert not testing.sent_messages("replica")
