"""What `docs/howto/run-workers.md` says, and nothing that makes it faster."""

import os

from tests.benchmarks.project import (  # noqa: F401
    BROKER,
    DATABASES,
    QUEUE,
    ROLE,
    SECRET_KEY,
    TIME_ZONE,
    USE_TZ,
    master_queue,
)

INSTALLED_APPS = ["django_celery_beat", "celery_cqrs", f"tests.benchmarks.ours.{ROLE}"]
MIGRATION_MODULES = {"django_celery_beat": None}  # the tables as they are now, in a fraction of the time
CELERY_BROKER_URL = BROKER
ON_REDIS = {"visibility_timeout": 300, "socket_timeout": 10, "health_check_interval": 10}
CELERY_BROKER_TRANSPORT_OPTIONS = ON_REDIS if BROKER.startswith("redis") else {}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CQRS = {"queue": QUEUE, "celery_app": "tests.benchmarks.ours.celery:app"}
if ROLE == "master":
    CQRS |= {
        "queue": master_queue(QUEUE),
        "master": {"publish": os.environ.get("BENCH_PUBLISH", "relay"), "replicas": {QUEUE: "__all__"}},
    }
    CQRS |= {"transport": os.environ.get("BENCH_TRANSPORT", "celery_cqrs.transport.celery.CeleryTransport")}
