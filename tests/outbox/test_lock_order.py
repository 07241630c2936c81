"""Whoever confirms and whoever sends again take their locks in one order: neither waits for what the other holds."""

from datetime import UTC, datetime

from django.db import transaction

from celery_cqrs.batch import Confirmation, Receipt
from celery_cqrs.master.confirm import confirm
from celery_cqrs.models import Destination, Outbox
from tests.conftest import wait_until_blocked, with_row_locks
from tests.outbox.conftest import put


@with_row_locks
def test_a_confirmation_holds_no_row_while_it_waits_for_the_destination(database, elsewhere):
    row = put(1)
    Destination.objects.create(queue="shop")
    receipt = Receipt(outbox=database, outbox_ids=(row.id,), sent_at=datetime.now(UTC).isoformat())
    payload = Confirmation(queue="shop", batches=(receipt,)).to_dict()
    with transaction.atomic(using=database):
        Destination.objects.select_for_update().get(queue="shop")
        confirmed = elsewhere(confirm, payload)
        wait_until_blocked(confirmed, database)
        assert Outbox.objects.select_for_update(nowait=True).get().id == row.id
    assert confirmed.result(timeout=30) == 1 and not Outbox.objects.exists()
