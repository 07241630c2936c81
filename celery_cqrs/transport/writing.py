"""A payload that is JSON already goes into the body of its task as it is; kombu would encode every value once more."""

from __future__ import annotations

import json
from typing import Any

from celery import Celery
from kombu import Producer

from celery_cqrs.transport.base import Envelope

PROTOCOL = 2
"""Celery's message protocol whose body is arguments, keyword arguments and what follows."""


class Written(str):
    """The argument of a task as JSON."""

    __slots__ = ()


def argument(app: Celery, envelope: Envelope) -> Any:
    """The argument of the task: its JSON where it is there, and may be the body's, else the object."""
    if envelope.text is None or app.conf.task_protocol != PROTOCOL:
        return envelope.payload
    return Written(envelope.text)


class Writer(Producer):
    """Kombu's producer, which takes a ``Written`` argument as it is."""

    def publish(self, body: Any, *args: Any, **options: Any) -> Any:
        """As kombu's."""
        if isinstance(body, tuple) and body[0] and isinstance(body[0][0], Written):
            (written,), *others = body
            body = f"[[{written}],{','.join(map(json.dumps, others))}]"
            options |= {"content_type": "application/json", "content_encoding": "utf-8"}
        return super().publish(body, *args, **options)  # type: ignore[no-untyped-call]
