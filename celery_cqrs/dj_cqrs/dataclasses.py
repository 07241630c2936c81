"""The message under its old name."""

from celery_cqrs.message import Message as TransportPayload

__all__ = ["TransportPayload"]
