"""What child processes and workers of the service run; importable, as ``spawn`` and Celery want it."""

from __future__ import annotations

import django
from celery import shared_task


def save(name: str) -> None:
    """Save one author, in a process that may know nothing of Django yet."""
    django.setup()
    from tests.app.models import Author

    Author.objects.create(name=name)


@shared_task(name="tests.publisher.save")
def save_in_task(name: str) -> None:
    """The same in a worker."""
    save(name)
