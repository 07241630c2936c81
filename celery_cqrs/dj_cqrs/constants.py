"""Constants under their old path."""

from celery_cqrs.master.fields import ALL_FIELDS as ALL_BASIC_FIELDS
from celery_cqrs.message import SignalType

__all__ = ["ALL_BASIC_FIELDS", "SignalType"]
