"""Registries under their old path."""

from celery_cqrs.registry import MasterRegistry, ReplicaRegistry

__all__ = ["MasterRegistry", "ReplicaRegistry"]
