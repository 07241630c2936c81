"""The second virtual environment, and what was measured with what."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import redis
from amqp import Connection

from tests.benchmarks.processes import ROOT, run
from tests.services import POSTGRES, RABBITMQ, REDIS

THEIRS = ROOT / ".scratch" / "benchmarks" / "django-cqrs"
DJANGO_CQRS = "3.1.0"
SHARED = ("Django", "kombu", "psycopg")
"""Both sides use the same version of these."""


def requirements() -> list[str]:
    """What is installed for them."""
    pinned = [f"{name}=={version(name)}" for name in ("Django", "psycopg-binary", "psycopg")]
    return [f"django-cqrs=={DJANGO_CQRS}", *pinned, f"kombu[redis]=={version('kombu')}", f"redis=={version('redis')}"]


def their_python() -> Path:
    """The interpreter of their environment, which is made when it is missing or made for other versions."""
    python, stamp = THEIRS / "bin" / "python", THEIRS / "installed.txt"
    wanted = "\n".join(requirements())
    if not stamp.exists() or stamp.read_text() != wanted:
        THEIRS.parent.mkdir(parents=True, exist_ok=True)
        log = THEIRS.parent / "install.log"
        run([sys.executable, "-m", "venv", "--clear", str(THEIRS)], {}, log)
        run([str(python), "-m", "pip", "install", "--quiet", *requirements()], {}, log)
        stamp.write_text(wanted)
    return python


def about() -> dict[str, Any]:
    """Machine, versions and commit."""
    return {"machine": _machine(), "versions": _versions(), "commit": _commit()}


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = {line.partition(": ")[2] for line in _cpu_lines() if line.startswith("model name")}
    return {
        "processor": ", ".join(sorted(models)) or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _versions() -> dict[str, str]:
    names = ("celery_cqrs", "celery", "kombu", "Django", "psycopg", "redis")
    servers = {"PostgreSQL": _postgres_version(), "Redis": _redis_version(), "RabbitMQ": _rabbitmq_version()}
    return {"Python": platform.python_version(), **{name: version(name) for name in names}} | {
        "django-cqrs": DJANGO_CQRS,
        **servers,
    }


def _postgres_version() -> str:
    with psycopg.connect(POSTGRES.url) as connection:
        return str(connection.execute("SHOW server_version").fetchone()[0])


def _redis_version() -> str:
    with redis.Redis.from_url(REDIS.url) as client:
        return str(client.info("server")["redis_version"])


def _rabbitmq_version() -> str:
    parts = RABBITMQ.parts
    login = {"userid": parts.username or "guest", "password": parts.password or "guest"}
    with Connection(f"{parts.hostname}:{parts.port or 5672}", **login) as connection:
        return str(connection.server_properties["version"])


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
