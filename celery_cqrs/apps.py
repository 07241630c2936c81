"""The Django app: wires checks, logs, Celery and SQLite when everything is loaded."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class CeleryCqrsConfig(AppConfig):
    """``INSTALLED_APPS += ["celery_cqrs"]``."""

    name = "celery_cqrs"
    verbose_name = "CQRS"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, connect the logs, schedule beat (also in its tables), lend SQLite its functions."""
        from celery_cqrs import beat, checks, logs, tasks  # they need loaded models
        from celery_cqrs.reconcile import canonical

        checks.register_checks()
        logs.connect()
        tasks.watch_apps()
        post_migrate.connect(beat.make_rows, sender=self)
        connection_created.connect(canonical.register, dispatch_uid="celery_cqrs")
