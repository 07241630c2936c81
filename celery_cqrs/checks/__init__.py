"""System checks: a wrong setting is refused at start, with the sentence that mends it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from celery_cqrs.checks.configuration import check_keys, check_values
from celery_cqrs.checks.connections import check_connections
from celery_cqrs.checks.databases import check_databases
from celery_cqrs.checks.drift import check_drift
from celery_cqrs.checks.masters import check_masters
from celery_cqrs.checks.outbox import check_outbox
from celery_cqrs.checks.problems import error
from celery_cqrs.checks.replicas import check_models, check_replicas
from celery_cqrs.checks.tables import check_tables
from celery_cqrs.checks.transport import check_broker, check_transport

__all__ = [
    "check_broker",
    "check_configuration",
    "check_connections",
    "check_databases",
    "check_tables",
    "register_checks",
]


def register_checks() -> None:
    """Have ``manage.py check`` run these."""
    register(check_configuration, Tags.compatibility)
    register(check_tables, Tags.database)
    register(check_databases, Tags.database)
    register(check_outbox, Tags.database)


def check_configuration(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Everything that can be judged without a database."""
    given = getattr(settings, "CQRS", None)
    if not isinstance(given, dict):
        return [
            error(1, "settings.CQRS is not set.", 'Add CQRS = {"queue": "<name of this service>"} to the settings.')
        ]
    found = list(check_keys(given))
    if any(problem.is_serious() for problem in found):
        return found
    models = [*check_models(), *check_drift(), *check_replicas(), *check_masters()]
    return [*check_values(), *check_transport(), *models]
