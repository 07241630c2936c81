"""How tasks reach other services: a family with one contract (``base.py``), chosen by ``CQRS["transport"]``."""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.transport.base import Transport


def current() -> Transport:
    """The transport of this service; one object per process and dotted path."""
    return _load(conf.service.transport)


@cache
def _load(path: str) -> Transport:
    made: Transport = import_string(path)()
    return made
