"""Model classes that a test defines for itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps

from celery_cqrs.registry import MasterRegistry, ReplicaRegistry


@contextmanager
def forgotten_models() -> Iterator[None]:
    """Classes that are defined meanwhile with ``app_label = "app"`` are forgotten afterwards."""
    registries = [MasterRegistry.models, ReplicaRegistry.models, apps.all_models["app"]]
    before = [dict(registry) for registry in registries]
    yield
    for registry, kept in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kept)
    apps.clear_cache()
