"""Public names for model authors."""

from __future__ import annotations

from celery_cqrs.master.meta import MasterMeta
from celery_cqrs.master.mixin import MasterMixin, RawMasterMixin
from celery_cqrs.replica.meta import ReplicaMeta
from celery_cqrs.replica.mixin import RawReplicaMixin, ReplicaMixin

__all__ = ["MasterMeta", "MasterMixin", "RawMasterMixin", "RawReplicaMixin", "ReplicaMeta", "ReplicaMixin"]
