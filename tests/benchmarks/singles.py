"""``python -m tests.benchmarks.singles MODEL FIRST LAST RATE``: in either project, create these accounts one by one.

Each in a transaction of its own, RATE a second (0: as fast as they go). The moment after each commit goes to the file
that BENCH_RESULT names, which maps keys to seconds since 1970.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import django
from django.apps import apps

from tests.benchmarks.capture import account
from tests.harness.waiting import pace


def main(name: str, first: int, last: int, rate: float) -> None:
    """Create them, and write down when."""
    django.setup()
    model = apps.get_model("master", name)
    model.objects.count()  # connected
    start, committed = time.monotonic(), {}
    for number, key in enumerate(range(first, last + 1)):
        if rate:
            pace(start + number / rate)
        model(**account(key)).save()
        committed[key] = time.time()
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(committed))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
