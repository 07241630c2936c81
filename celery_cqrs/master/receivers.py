"""Capture by hand, under the names of django-cqrs: for code that called its receivers itself."""

from __future__ import annotations

from typing import Any

from celery_cqrs.master import capture
from celery_cqrs.master.meta import MasterMeta


class MasterSignals:
    """Each receiver captures what the signal tells. Models of ours need none of them: they capture by themselves."""

    @classmethod
    def register_model(cls, model_cls: Any) -> None:
        """As ``MasterMeta.register``."""
        MasterMeta.register(model_cls)

    @classmethod
    def post_save(cls, sender: Any, *, instance: Any, using: str | None = None, **kwargs: Any) -> None:
        """Capture ``instance``, which is in the database, once more; with ``sync`` as a SYNC, to ``queue`` or all."""
        if kwargs.get("sync"):
            instance.cqrs_sync(using, kwargs.get("queue"))
        else:
            capture.capture_bulk(sender, [instance], using, created=bool(kwargs.get("created")))

    @classmethod
    def post_delete(cls, sender: Any, **kwargs: Any) -> None:
        """Nothing is left to do: a deletion is captured before it happens, while the row can still be read."""

    @classmethod
    def post_bulk_create(cls, sender: Any, *, instances: Any, using: str | None = None, **kwargs: Any) -> None:
        """Capture ``instances``, which were created in bulk."""
        capture.capture_bulk(sender, list(instances), using, created=True)

    @classmethod
    def post_bulk_update(cls, sender: Any, *, instances: Any, using: str | None = None, **kwargs: Any) -> None:
        """Capture ``instances``, which were updated in bulk."""
        capture.capture_bulk(sender, list(instances), using, created=False)
