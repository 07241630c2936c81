"""``python -m django convergence``: some runs on one database, in a process that a mutation may spoil."""

from __future__ import annotations

import logging
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections
from django.db.backends.signals import connection_created

from tests import router
from tests.conftest import prepare_connection
from tests.convergence.models import wipe
from tests.convergence.mutations import MUTATIONS
from tests.convergence.run import SETTINGS, Plan, Result, run
from tests.convergence.table import lines, summary

SHOWN = 20
HOOKS = "by hooks"


class Command(BaseCommand):
    """What ``__main__`` starts for each database."""

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As many as ``__main__`` gives."""
        parser.add_argument("alias")
        parser.add_argument("--seed", action="append", type=int, required=True)
        parser.add_argument("--deliveries", type=int, required=True)
        parser.add_argument("--mutation", choices=MUTATIONS)

    def handle(self, alias: str, seed: list[int], deliveries: int, mutation: str | None, **_: Any) -> None:
        """Exit with 1 when anything was wrong."""
        logging.disable(logging.WARNING)  # letters are many here
        settings.CQRS = {**settings.CQRS, **SETTINGS}
        if mutation:
            MUTATIONS[mutation]()
        start = time.monotonic()
        with _test_database(alias):
            results = [_run(Plan.on(alias, one, deliveries)) for one in seed]
        print(f"{summary(results)}, in {(time.monotonic() - start) / 60:.1f} min", flush=True)
        sys.exit(any(result.wrongs for result in results))


def _run(plan: Plan) -> Result:
    wipe(plan.using)
    result = run(plan)
    by_hooks = [line for line in result.wrongs if HOOKS in line]
    in_bulk = [line for line in result.wrongs if HOOKS not in line]
    print(*lines(result), *in_bulk[:SHOWN], *by_hooks[:SHOWN], sep="\n", flush=True)
    return result


@contextmanager
def _test_database(alias: str) -> Iterator[None]:
    """Made for these runs, and dropped."""
    connection_created.connect(prepare_connection)
    connection = connections[alias]
    name = connection.settings_dict["NAME"]
    with router.whole_process_using(alias):
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield
        finally:
            connections.close_all()
            connection.creation.destroy_test_db(name, verbosity=0)
