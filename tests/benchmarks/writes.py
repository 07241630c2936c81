"""``python -m tests.benchmarks.writes WAY ROWS MODEL …``: in either project, time what the master's caller waits for.

The models have their turn block by block, in the same process. The figures go to the file that BENCH_RESULT names, as
JSON: model → rows per second, or the median milliseconds of a save.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db import transaction

from tests.benchmarks.binding import bind_queue
from tests.benchmarks.capture import account

Calls = Sequence[Callable[[], Any]]
WARM_UP_ROWS = 50
BLOCK = 50
"""Calls of one model before the other has its turn."""
ROWS_AT_ONCE = 2_000


def bulk_create(model: Any, rows: int) -> Calls:
    """Creations of 2,000 rows, each in a transaction of its own."""
    manager = getattr(model, "cqrs", model.objects)
    parts = [range(first, min(first + ROWS_AT_ONCE, rows + 1)) for first in range(1, rows + 1, ROWS_AT_ONCE)]
    instances = [[model(**account(key)) for key in part] for part in parts]
    return [lambda some=some: manager.bulk_create(some) for some in instances]  # type: ignore[misc]


def save(model: Any, rows: int) -> Calls:
    """Saves that are transactions of their own, half of them creations and half updates."""
    instances = [model(**account(key)) for key in range(1, rows // 2 + 1)]
    return [one.save for one in [*instances, *instances]]


def create_inside(model: Any, rows: int) -> Calls:
    """Creations inside an open transaction."""
    return [model(**account(key)).save for key in range(1, rows + 1)]


def update_inside(model: Any, rows: int) -> Calls:
    """Updates inside an open transaction."""
    instances = [model(**account(key)) for key in range(1, rows + 1)]
    model.objects.bulk_create(instances)
    return [one.save for one in instances]


WAYS = {way.__name__: way for way in (bulk_create, save, create_inside, update_inside)}
INSIDE = ("create_inside", "update_inside")


def warm_up(model: Any) -> None:
    """Connections are open and statements were seen before the clock runs."""
    for key in range(1, WARM_UP_ROWS + 1):
        model(**account(-key)).save()


def seconds_of(calls: Mapping[str, Calls], block: int) -> dict[str, list[float]]:
    """How long each call took; ``block`` calls of one name, then so many of the next."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for start in range(0, max(map(len, calls.values())), block):
        for name, some in calls.items():
            for call in some[start : start + block]:
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    return times


def main(way: str, rows: int, *names: str) -> None:
    """Do it and write the figures down."""
    django.setup()
    bind_queue()
    models = {name: apps.get_model("master", name) for name in names}
    for model in models.values():
        warm_up(model)
    is_bulk = way == "bulk_create"
    with transaction.atomic() if way in INSIDE else nullcontext():
        calls = {name: WAYS[way](model, rows) for name, model in models.items()}
        times = seconds_of(calls, 1 if is_bulk else BLOCK)
    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    figures = {name: min(rows, ROWS_AT_ONCE) / value if is_bulk else value * 1_000 for name, value in median.items()}
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
