"""The databases of replica models: asked only when Django looks at them (``check --database``), and at start."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.db import connections, models, router

from celery_cqrs import conf
from celery_cqrs.checks.drift import stored
from celery_cqrs.checks.problems import error, warning
from celery_cqrs.serialize import target_of

STRICT = ("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES")
COLLATION_SQL = """
    SELECT collation_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = %s AND column_name = %s
"""


def check_databases(app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """That the databases of replica models refuse what does not fit, and tell their keys apart."""
    if not databases or sys.argv[1:2] == ["migrate"]:
        return []
    used: dict[str, dict[str, Any]] = {}
    for model in stored().values():
        used.setdefault(router.db_for_write(model), {}).setdefault(model._meta.db_table, model)
    found: list[CheckMessage] = []
    for using in sorted(used.keys() & set(databases)):
        if connections[using].vendor == "mysql":
            found += [*_check_mode(using), *_check_timeout(using)]
            found += [problem for model in used[using].values() for problem in _check_key(using, model)]
    return found


def _check_mode(using: str) -> Iterator[CheckMessage]:
    mode = connections[using].sql_mode  # type: ignore[attr-defined]
    if not any(one in mode for one in STRICT):
        hint = """Set "OPTIONS": {"init_command": "SET sql_mode = 'STRICT_TRANS_TABLES'"} for this database."""
        yield error(13, f"database {using!r} cuts values that are too long or too large, without a word.", hint)


def _check_timeout(using: str) -> Iterator[CheckMessage]:
    if conf.replica.CQRS_QUERY_TIMEOUT and not connections[using].mysql_is_mariadb:  # type: ignore[attr-defined]
        sentence = f'CQRS["replica"]["CQRS_QUERY_TIMEOUT"] limits only what reads on database {using!r}.'
        yield warning(3, sentence, "MySQL has no limit for a statement that writes. MariaDB and PostgreSQL have.")


def _check_key(using: str, model: Any) -> Iterator[CheckMessage]:
    key = model._meta.pk
    if not isinstance(target_of(key), models.CharField | models.TextField):
        return
    with connections[using].cursor() as cursor:
        cursor.execute(COLLATION_SQL, [model._meta.db_table, key.column])
        row = cursor.fetchone()
    if row and str(row[0]).endswith("_ci"):
        sentence = f"the key {key.name!r} of replica model {model.CQRS_ID!r} takes 'a' and 'A' for one ({row[0]})."
        yield warning(14, sentence, f'Set db_collation="utf8mb4_bin" on {key.name!r}, unless the master does likewise.')
