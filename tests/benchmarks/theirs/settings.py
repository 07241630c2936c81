"""The settings that django-cqrs documents, at their defaults."""

import os

from tests.benchmarks.project import BROKER, DATABASES, QUEUE, ROLE, SECRET_KEY, TIME_ZONE, USE_TZ  # noqa: F401

KIND = "kombu.KombuTransport" if BROKER.startswith("redis") else "rabbit_mq.RabbitMQTransport"
INSTALLED_APPS = ["dj_cqrs", f"tests.benchmarks.theirs.{ROLE}"]
CQRS = {
    "transport": os.environ.get("BENCH_TRANSPORT", f"dj_cqrs.transport.{KIND}"),
    "url": BROKER,
    "exchange": QUEUE,
    "queue": QUEUE,
}
