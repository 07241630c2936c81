"""``python -m tests.benchmarks.writes WAY MODEL ROWS``: in either project, time what the master's caller waits for.

The figure goes to the file that BENCH_RESULT names: rows per second, or the median milliseconds of a save.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db import transaction

from tests.benchmarks.binding import bind_queue
from tests.benchmarks.capture import account

WARM_UP_ROWS = 50


def bulk_create(model: Any, rows: int) -> float:
    """Rows per second of one ``bulk_create`` in a transaction of its own."""
    manager = getattr(model, "cqrs", model.objects)
    manager.bulk_create([model(**account(-key)) for key in range(1, WARM_UP_ROWS + 1)])
    instances = [model(**account(key)) for key in range(1, rows + 1)]
    start = time.perf_counter()
    manager.bulk_create(instances)
    return rows / (time.perf_counter() - start)


def save(model: Any, rows: int) -> float:
    """Milliseconds of a save that is a transaction of its own, half of them creations and half updates."""
    warm_up(model)
    instances = [model(**account(key)) for key in range(1, rows // 2 + 1)]
    return median_ms(one.save for one in [*instances, *instances])


def create_inside(model: Any, rows: int) -> float:
    """Milliseconds of a creation inside an open transaction."""
    warm_up(model)
    with transaction.atomic():
        return median_ms(model(**account(key)).save for key in range(1, rows + 1))


def update_inside(model: Any, rows: int) -> float:
    """Milliseconds of an update inside an open transaction."""
    warm_up(model)
    instances = [model(**account(key)) for key in range(1, rows + 1)]
    model.objects.bulk_create(instances)
    with transaction.atomic():
        return median_ms(one.save for one in instances)


def warm_up(model: Any) -> None:
    """Connections are open and statements were seen before the clock runs."""
    median_ms(model(**account(-key)).save for key in range(1, WARM_UP_ROWS + 1))


def median_ms(calls: Iterable[Callable[[], Any]]) -> float:
    """Call them all, and return the median time."""
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1_000


WAYS = {way.__name__: way for way in (bulk_create, save, create_inside, update_inside)}


def main(way: str, model: str, rows: int) -> None:
    """Do it and write the figure down."""
    django.setup()
    bind_queue()
    Path(os.environ["BENCH_RESULT"]).write_text(str(WAYS[way](apps.get_model("master", model), rows)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
