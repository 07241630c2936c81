"""Signals under their old path."""

from celery_cqrs.signals import post_bulk_create, post_update

__all__ = ["post_bulk_create", "post_update"]
