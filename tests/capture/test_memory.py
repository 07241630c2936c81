"""What a change of many rows takes of memory: no more for ten thousand than for two thousand, but for their keys."""

import gc
import tracemalloc

import pytest
from django.db.models import Sum

from celery_cqrs.models import Outbox
from tests.app.models import Beacon

BYTES_PER_KEY = 100


@pytest.fixture
def peak():
    """Measures the most that a function holds at once, in bytes."""

    def measure(work):
        gc.collect()
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure


def update(text, rows):
    """Update so many beacons in bulk."""
    assert Beacon.cqrs.bulk_update(Beacon.objects.filter(pk__lte=rows), text=text) == rows


def test_a_bulk_update_holds_no_more_rows_at_once_however_many_there_are(uncommitted, peak):
    Beacon.objects.bulk_create([Beacon(pk=number, text="fire") for number in range(1, 10_001)], batch_size=500)
    update("first", 500)
    few, many = peak(lambda: update("smoke", 2_000)), peak(lambda: update("ashes", 10_000))
    assert Outbox.objects.aggregate(changes=Sum("size"))["changes"] == 12_500
    assert many - few < 8_000 * BYTES_PER_KEY, (few, many)
