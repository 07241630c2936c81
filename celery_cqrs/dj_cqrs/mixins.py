"""Mixins under their old path."""

from celery_cqrs.mixins import MasterMixin, RawMasterMixin, RawReplicaMixin, ReplicaMixin

__all__ = ["MasterMixin", "RawMasterMixin", "RawReplicaMixin", "ReplicaMixin"]
