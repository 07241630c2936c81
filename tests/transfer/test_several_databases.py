"""Masters that keep rows of one model on several databases: what one of them lacks may be on another."""

from __future__ import annotations

from tests import router
from tests.app.models import Author
from tests.reconcile.test_pairs import every_database
from tests.transfer.pipes import run

pytestmark = every_database


def test_rows_that_the_master_keeps_on_another_database_are_not_to_be_deleted():
    with router.using("postgres"):
        ann = Author.objects.create(name="Ann")
    ran = run("cqrs_deleted_diff_master", given=f"author,2026-01-01 00:00:00+00:00\n[{ann.pk}, {ann.pk + 1}]\n")
    assert ran.lists == [[ann.pk + 1]]
