"""The tables of this package, on the databases where the models are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.db import router

from celery_cqrs.checks.problems import error
from celery_cqrs.database import tables
from celery_cqrs.models import Letter, Outbox
from celery_cqrs.registry import MasterRegistry, ReplicaRegistry


def check_tables(app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """That the tables are on ``databases`` where the models are; Django names none unless asked to look at them.

    ``manage.py migrate`` checks a database before it makes the tables, and must not be refused for want of them.
    """
    if not databases or sys.argv[1:2] == ["migrate"]:
        return []
    wanted: set[tuple[str, Any]] = {(router.db_for_write(model), Outbox) for model in MasterRegistry.models.values()}
    stored = [model for model in ReplicaRegistry.models.values() if not model.CQRS_NO_DB_OPERATIONS]
    wanted |= {(router.db_for_write(model), Letter) for model in stored}
    return [
        error(
            9, f"database {alias!r} has no table {table._meta.db_table}.", f"Run: manage.py migrate --database {alias}"
        )
        for alias, table in sorted(wanted, key=lambda pair: (pair[0], pair[1]._meta.db_table))
        if alias in databases and not tables.exists(alias, table)
    ]
