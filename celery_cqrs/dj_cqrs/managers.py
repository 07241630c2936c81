"""Managers under their old path."""

from celery_cqrs.master.manager import MasterManager
from celery_cqrs.replica.manager import ReplicaManager

__all__ = ["MasterManager", "ReplicaManager"]
