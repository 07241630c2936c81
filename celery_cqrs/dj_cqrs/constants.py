"""Constants under their old path."""

from celery_cqrs.master.meta import ALL_FIELDS as ALL_BASIC_FIELDS
from celery_cqrs.message import SignalType

__all__ = ["ALL_BASIC_FIELDS", "SignalType"]
