"""Metaclasses under their old path."""

from celery_cqrs.mixins import MasterMeta, ReplicaMeta

__all__ = ["MasterMeta", "ReplicaMeta"]
