"""Settings of the processes in ``processes.py``: one service on one database, told by its environment."""

from __future__ import annotations

import json
import os

import kombu
import pymysql

pymysql.install_as_MySQLdb()

DATABASES = {"default": json.loads(os.environ["SERVICE_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "celery_cqrs", "tests.app"]
SECRET_KEY = "only for tests"
USE_TZ = True
CQRS = json.loads(os.environ["SERVICE_CQRS"])
CELERY_BROKER_URL = os.environ["SERVICE_BROKER"]
CELERY_BROKER_TRANSPORT_OPTIONS = json.loads(os.environ["SERVICE_BROKER_OPTIONS"])
if "SERVICE_QUORUM" in os.environ:  # as the how-to page for workers says
    NAME, QUORUM = CQRS["queue"], {"x-queue-type": "quorum", "x-delivery-limit": 20}
    CELERY_TASK_QUEUES = [kombu.Queue(NAME, kombu.Exchange(""), routing_key=NAME, queue_arguments=QUORUM)]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # as recommended: no warning on standard error
SILENCED_SYSTEM_CHECKS = ["celery_cqrs.W012", "celery_cqrs.W013"]  # a replica of tests.app is strict on purpose
