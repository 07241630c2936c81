"""A web application that saves an author for each request, and one while it is imported."""

from __future__ import annotations

import threading
from typing import Any

import django

django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connections  # noqa: E402

from celery_cqrs import signals  # noqa: E402
from tests.app.models import Author  # noqa: E402

application = get_wsgi_application()
published = threading.Event()
signals.published.connect(lambda **_: published.set(), weak=False)
Author.objects.create(name="while importing")
published.wait(30)
connections.close_all()


def save_author(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Save an author named after the path, in a process that says which it is."""
    Author.objects.create(name=environ["PATH_INFO"].strip("/"))
    connections.close_all()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"saved"]
