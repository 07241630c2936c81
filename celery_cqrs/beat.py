"""When beat has comparisons begun. With django-celery-beat the entries are rows, made once, so that a person's edits in
its admin last; it would write over entries of the app's ``beat_schedule`` at every start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db import connections, router

from celery_cqrs import conf
from celery_cqrs.reconcile.wire import START, Order
from celery_cqrs.transport.base import RECONCILE

DEEP = f"{RECONCILE} deep"
EXPIRES_SECONDS = 600


def has_rows() -> bool:
    """Whether the schedule is kept in the tables of django-celery-beat."""
    return apps.is_installed("django_celery_beat")


def entries() -> dict[str, dict[str, Any]]:
    """The comparisons of this service by the names of their entries, as the app's ``beat_schedule`` has them."""
    if not conf.master.replicas or not conf.service.queue:
        return {}
    every = {RECONCILE: conf.reconcile.every_seconds, DEEP: conf.reconcile.deep_every_seconds}
    options = {"queue": conf.service.queue, "expires": EXPIRES_SECONDS}
    return {
        name: {
            "task": RECONCILE,
            "schedule": seconds,
            "args": (Order(START, deep=name == DEEP).to_dict(),),
            "options": options,
        }
        for name, seconds in every.items()
    }


def make_rows(using: str, **_: Any) -> None:
    """After a migration: make the rows that are not there yet, on the database from which beat reads them."""
    if not has_rows():
        return
    periodic_task: Any = apps.get_model("django_celery_beat", "PeriodicTask")
    if using != router.db_for_write(periodic_task) or not _exists(using, periodic_task):
        return
    for name, entry in entries().items():
        if not periodic_task.objects.using(using).filter(name=name).exists():
            periodic_task.objects.using(using).create(name=name, **_row(using, entry))


def _row(using: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    interval: Any = apps.get_model("django_celery_beat", "IntervalSchedule")
    every = {"every": max(1, round(entry["schedule"])), "period": interval.SECONDS}
    schedule = interval.objects.using(using).filter(**every).first() or interval.objects.using(using).create(**every)
    return {
        "task": entry["task"],
        "interval": schedule,
        "args": json.dumps(entry["args"]),
        "queue": entry["options"]["queue"],
        "expire_seconds": entry["options"]["expires"],
        "description": "Made by celery_cqrs; change it as you like.",
    }


def _exists(using: str, model: Any) -> bool:
    return model._meta.db_table in connections[using].introspection.table_names()
