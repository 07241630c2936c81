"""Two publishers at one outbox: no row is claimed twice, and nobody waits for the other."""

import threading

from django.db import transaction

from celery_cqrs.database.patience import patiently
from celery_cqrs.master import outbox
from celery_cqrs.models import Outbox
from tests.conftest import with_row_locks
from tests.harness.claims import claim
from tests.outbox.conftest import ids, pending, put


@with_row_locks
def test_a_second_publisher_passes_over_rows_that_the_first_holds(database, elsewhere):
    rows = [put(pk, seconds=-20 + pk) for pk in range(10)]
    with transaction.atomic(using=database):
        first = claim(database, 4)
        second = elsewhere(claim, database, 4).result(timeout=60)
    assert (ids(first), ids(second)) == (ids(rows[:4]), ids(rows[4:8]))


@with_row_locks
def test_a_second_publisher_finds_nothing_while_the_first_holds_everything(database, elsewhere):
    put()
    with transaction.atomic(using=database):
        claim(database, 10)
        assert elsewhere(claim, database, 10).result(timeout=60) == []


@with_row_locks
def test_rows_of_a_publisher_that_died_in_its_claim_are_pending_again(database, elsewhere):
    row = put()
    with transaction.atomic(using=database):
        claim(database, 10)
        transaction.set_rollback(True, using=database)
    assert ids(elsewhere(claim, database, 10).result(timeout=60)) == [row.id]


@with_row_locks
def test_a_row_captured_by_an_open_transaction_does_not_hold_up_later_ones(database, elsewhere):
    with transaction.atomic(using=database):
        early = put(1)
        late = elsewhere(put, 2).result(timeout=60)
        assert ids(elsewhere(claim, database, 10).result(timeout=60)) == [late.id]
    assert ids(claim(database, 10)) == [early.id] and early.id < late.id


def test_four_publishers_claim_every_row_once_and_keep_keys_together(database, elsewhere):
    now = put(0)
    Outbox.objects.all().delete()
    Outbox.objects.bulk_create(
        Outbox(
            queue="shop",
            cqrs_id="author",
            pk_text=str(number % 40),
            signal_type="SAVE",
            captured_at=now.captured_at,
            available_at=now.available_at,
        )
        for number in range(120)
    )

    def claim_all():
        claims = []
        while Outbox.objects.filter(sent_at=None).exists():
            claims += claim(database, 7)
        return claims

    claimed = [row for work in [elsewhere(claim_all) for _ in range(4)] for row in work.result(timeout=60)]
    assert len(claimed) == len({row.id for row in claimed}) == 120 and pending() == []
    assert set(Outbox.objects.values_list("attempts", flat=True)) == {1}


def test_captures_claims_and_confirmations_side_by_side_leave_nothing(database, elsewhere):
    captured = threading.Event()

    def capture(thread):
        for number in range(25):
            put(number % 2, seconds=0, meta={"thread": thread})

    def claim_and_confirm():
        found = 0
        while not captured.is_set() or Outbox.objects.filter(sent_at=None).exists():
            if claimed := patiently(claim, database, 5):  # MariaDB may call it a deadlock; whoever drains repeats
                found += patiently(outbox.confirm, database, "shop", ids(claimed), outbox.stamp_of(claimed))
        return found

    confirms = [elsewhere(claim_and_confirm) for _ in range(2)]
    captures = [elsewhere(capture, thread) for thread in range(2)]
    try:
        assert [work.result(timeout=60) for work in captures] == [None, None]
    finally:
        captured.set()
    assert sum(work.result(timeout=60) for work in confirms) == 50 and not Outbox.objects.exists()
