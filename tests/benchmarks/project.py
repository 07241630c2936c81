"""What the settings of both projects have in common; they read the rest from the environment."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

CQRS_ID = "account"
ROLE = os.environ.get("BENCH_ROLE", "replica")
"""``master``, ``replica``, or ``hooked``: a replica whose model overrides the hooks."""
QUEUE = os.environ.get("BENCH_QUEUE", "bench")
BROKER = os.environ.get("BENCH_BROKER", "redis://127.0.0.1:6379/13")


def master_queue(queue: str) -> str:
    """Where the confirmations of the replica on ``queue`` go."""
    return f"{queue}_master"


def database(url: str) -> dict[str, Any]:
    """PostgreSQL, on a connection that lives as long as its process."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "HOST": parts.hostname,
        "PORT": parts.port or 5432,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "CONN_MAX_AGE": None,
    }


DATABASES = {"default": database(os.environ.get("BENCH_DATABASE", "postgres://127.0.0.1/bench"))}
USE_TZ = True
TIME_ZONE = "UTC"
SECRET_KEY = "only for benchmarks"
