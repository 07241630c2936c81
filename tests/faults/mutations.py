"""Apps that spoil the master on purpose, to show that the faults would find it: never in INSTALLED_APPS but there."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig

MUTATIONS = {"no-resend": "tests.faults.mutations.NoResend", "no-confirm": "tests.faults.mutations.NoConfirm"}


class NoResend(AppConfig):
    """What was sent and never confirmed is not sent again."""

    name = "tests.faults"
    label = "no_resend"

    def ready(self) -> None:
        """Take the step away from beat's drain."""
        from celery_cqrs import tasks

        tasks.resend = lambda using: 0  # type: ignore[assignment]


class NoConfirm(AppConfig):
    """A row is gone as soon as it is published, as with an outbox that trusts its broker."""

    name = "tests.faults"
    label = "no_confirm"

    def ready(self) -> None:
        """Do to each published batch what only its confirmation may do."""
        from celery_cqrs.signals import published

        published.connect(forget, dispatch_uid="no_confirm")


def forget(batch: Any, **_: Any) -> None:
    """Delete the batch's rows."""
    from celery_cqrs.models import Outbox

    ids = [row_id for message in batch.messages for row_id in message["outbox_ids"]]
    Outbox.objects.using(batch.outbox).filter(id__in=ids).delete()
