"""Settings of a service of the sample for outages: the sample's own, quick to notice a dead connection."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

SERVICE = os.environ["SERVICE"]
SAMPLE = {name: value for name, value in vars(import_module(f"{SERVICE}.settings")).items() if name.isupper()}
globals().update(SAMPLE)

CELERY_BROKER_HEARTBEAT = 4  # RabbitMQ: a silent connection is given up after about twice as many seconds
CHANGED: dict[str, Any] = json.loads(os.environ.get("CHANGED_CQRS", "{}"))
CQRS = {**SAMPLE["CQRS"], "celery_app": f"{SERVICE}.celery:app"}
CQRS |= {name: {**CQRS.get(name, {}), **section} for name, section in CHANGED.items()}
INSTALLED_APPS = [*SAMPLE["INSTALLED_APPS"], *os.environ.get("MORE_APPS", "").split()]
OTHER_APPS = ("admin", "auth", "contenttypes", "sessions", "django_celery_beat")
MIGRATION_MODULES = dict.fromkeys(OTHER_APPS)  # the tables as they are now, in a quarter of the time
