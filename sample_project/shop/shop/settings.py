"""Settings of shop: database and broker come from the environment; CQRS names the queue."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only-for-the-sample"
DEBUG = USE_TZ = True
ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CONTRIB = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
INSTALLED_APPS = [*(f"django.contrib.{name}" for name in CONTRIB), "django_celery_beat", "celery_cqrs", "shop"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
MIDDLEWARE += ["django.contrib.auth.middleware.AuthenticationMiddleware"]
MIDDLEWARE += ["django.contrib.messages.middleware.MessageMiddleware"]
CONTEXT = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
CONTEXT += ["django.contrib.messages.context_processors.messages"]
ENGINE = "django.template.backends.django.DjangoTemplates"
TEMPLATES = [{"BACKEND": ENGINE, "APP_DIRS": True, "OPTIONS": {"context_processors": CONTEXT}}]

url = urlsplit(os.environ.get("SHOP_DATABASE", f"sqlite3://{BASE_DIR}/db.sqlite3"))
DATABASES = {"default": {"ENGINE": f"django.db.backends.{url.scheme}", "NAME": url.path}}
if url.scheme == "sqlite3":  # several processes write: wait for each other instead of failing
    WAL = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    DATABASES["default"]["OPTIONS"] = WAL
else:
    LOGIN = {"USER": url.username, "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port}
    DATABASES["default"] |= {"NAME": url.path[1:], **{key: value for key, value in LOGIN.items() if value}}
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

CELERY_BROKER_URL = os.environ.get("BROKER", "redis://127.0.0.1:6379/0")
CELERY_BROKER_TRANSPORT_OPTIONS = json.loads(os.environ.get("BROKER_OPTIONS", '{"visibility_timeout": 300}'))
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

CQRS = {"queue": "shop", "replica": {"retry_sweep_seconds": 2}}  # lowered, so that the demo need not wait
