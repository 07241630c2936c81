"""Admin pages for what waits (the outbox, letters), replica queues and comparisons; good with a million rows."""

from __future__ import annotations

from django.contrib import admin

from celery_cqrs.admin.comparisons import ReconciliationAdmin
from celery_cqrs.admin.letters import LetterAdmin
from celery_cqrs.admin.outbox import OutboxAdmin
from celery_cqrs.admin.pages import LookOnlyAdmin
from celery_cqrs.models import Destination, Letter, Outbox, Reconciliation

admin.site.register(Outbox, OutboxAdmin)
admin.site.register(Letter, LetterAdmin)
admin.site.register(Reconciliation, ReconciliationAdmin)


@admin.register(Destination)
class DestinationAdmin(LookOnlyAdmin):
    """What is known of each replica queue."""

    list_display = ("queue", "confirmed_at", "probed_at", "rests_until", "failed_at", "failure")
