"""How long the services under test take: what is not what a test is about, a busy machine may take its time for."""

from __future__ import annotations

import atexit
import os

from django.apps import AppConfig

LOOK_SECONDS = 0.5
EXIT_SECONDS = 60


class Pace(AppConfig):
    """An app of the services under test."""

    name = "tests.end_to_end.pace"
    label = "pace"

    def ready(self) -> None:
        """Celery notices dead children sooner than after five seconds; an exit waits long for what is to be published.

        A process with EXITS_AS_USUAL waits as long as the package has it: two seconds.
        """
        from celery.concurrency.asynpool import AsynPool

        from celery_cqrs.master import publisher

        AsynPool.timers = property(lambda pool: {pool.maintain_pool: LOOK_SECONDS})
        if "EXITS_AS_USUAL" not in os.environ:
            atexit.register(publisher._thread.finish, EXIT_SECONDS)
