"""Signals under their old path."""

from celery_cqrs.master.receivers import MasterSignals
from celery_cqrs.signals import post_bulk_create, post_update

__all__ = ["MasterSignals", "post_bulk_create", "post_update"]
