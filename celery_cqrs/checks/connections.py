"""How long a worker keeps its database connections. Web processes may have reasons of their own, workers have none."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.db import connections

from celery_cqrs.checks.problems import warning


def check_connections() -> Iterator[CheckMessage]:
    """That a worker does not connect anew for every batch, which costs more than many rows do."""
    for connection in connections.all():
        settings = connection.settings_dict
        is_pooled = bool(settings["OPTIONS"].get("pool"))
        if connection.vendor in ("postgresql", "mysql") and settings["CONN_MAX_AGE"] == 0 and not is_pooled:
            place = f'DATABASES["{connection.alias}"]'
            sentence = f"{place} has CONN_MAX_AGE 0: a worker connects anew for every batch."
            hint = f"Set {place} |= " + '{"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}.'
            yield warning(28, sentence, hint)
