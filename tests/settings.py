"""One service that is its own master and replica, on whichever databases answer: the settings of every test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zlib import crc32

import pymysql

from tests.services import MARIADB, POSTGRES, Server

ROOT = Path(__file__).resolve().parent.parent
# Runs of two checkouts, or of two tox cells, do not meet in one database.
RUN = "_".join(filter(None, [f"{crc32(str(ROOT).encode()):08x}", os.environ.get("CQRS_TEST_SUFFIX")])).replace("-", "_")
SCRATCH = ROOT / ".scratch" / f"tests_{RUN}"
SCRATCH.mkdir(parents=True, exist_ok=True)

pymysql.install_as_MySQLdb()


def sqlite_database(path: Path) -> dict[str, Any]:
    """A file, so that threads and processes can share it."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {"timeout": 20},
        "TEST": {"NAME": str(path)},
    }


def server_database(server: Server, engine: str, **options: Any) -> dict[str, Any]:
    """A database whose name is the test database's, so that a subprocess with these settings finds it too."""
    parts, name = server.parts, f"test_cqrs_{RUN}"
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": name,
        "OPTIONS": options,
        "TEST": {"NAME": name, "DEPENDENCIES": []},
    }


DATABASES = {"default": sqlite_database(SCRATCH / "default.sqlite3")}
if POSTGRES.answers:
    DATABASES["postgres"] = server_database(POSTGRES, "postgresql")
if MARIADB.answers:
    # Django 4.2 would take three bytes a character, and PyMySQL read all certificates anew for every connection.
    DATABASES["mariadb"] = server_database(MARIADB, "mysql", charset="utf8mb4", ssl_disabled=True)
DATABASE_ROUTERS = ["tests.router.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.postgres",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_celery_beat",
    "celery_cqrs",
    "tests.app",
    "tests.convergence",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.app.urls"
SECRET_KEY = "only for tests"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
TIME_ZONE = "UTC"

CQRS = {
    "queue": "replica",
    "transport": "celery_cqrs.transport.memory.MemoryTransport",
    "celery_app": "tests.app.celery:app",
    "master": {"replicas": {"replica": "__all__"}},
    "replica": {},
}
