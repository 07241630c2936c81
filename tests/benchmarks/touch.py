"""``python -m tests.benchmarks.touch FIRST LAST RATE``: in our project, save these accounts in turn, so many a second,
each in a transaction of its own, until the process is killed; prints how many it has saved.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from typing import Any

import django
from django.apps import apps

from tests.harness.waiting import pace

NOT_TOUCHED = 1_000
"""Every account of a number that this divides is left to ``drift.py``."""


def main(first: int, last: int, rate: float) -> None:
    """In an order that is always the same, all over the table."""
    django.setup()
    model: Any = apps.get_model("master", "Account")
    chance = random.Random(7)
    begin = time.monotonic()
    for count in itertools.count(1):
        key = chance.randint(first, last)
        account = model.objects.get(pk=key + (key % NOT_TOUCHED == 0))
        account.balance += 1
        account.save()
        print(count, flush=True)
        pace(begin + count / rate)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
