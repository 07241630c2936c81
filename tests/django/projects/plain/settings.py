"""A service of two models on SQLite; the environment says what is right or wrong with it."""

from __future__ import annotations

import json
import os

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PLAIN_DATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    *json.loads(os.environ.get("PLAIN_APPS", '["celery_cqrs"]')),
    "tests.django.projects.plain",
]
SECRET_KEY = "only for tests"
USE_TZ = True
CELERY_BROKER_URL = os.environ.get("PLAIN_BROKER", "memory://")
RECOMMENDED = {
    "CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 300},
    "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
    "CELERY_BEAT_SCHEDULER": "django_celery_beat.schedulers:DatabaseScheduler",
}
globals().update(json.loads(os.environ.get("PLAIN_SETTINGS", json.dumps(RECOMMENDED))))
if "PLAIN_CQRS" in os.environ:
    CQRS = json.loads(os.environ["PLAIN_CQRS"])
