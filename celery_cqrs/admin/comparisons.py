"""The page of comparisons: what was compared, what differed, what was repaired; and one more of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from celery_cqrs import conf
from celery_cqrs.admin.outbox import ModelFilter, QueueFilter
from celery_cqrs.admin.pages import ListedFilter, LookOnlyAdmin
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish

COUNTS = ("master_rows", "replica_rows", *Reconciliation.KINDS, "repaired", "bytes_exchanged")


class StateFilter(ListedFilter):
    """By how it ended, if it has."""

    title = "state"
    parameter_name = "state"

    def names(self) -> Iterable[str]:
        """All there are."""
        return Reconciliation.STATES


class ReconciliationAdmin(LookOnlyAdmin):
    """Comparisons. Whoever may view looks; "Can add reconciliation" allows to compare again."""

    list_display = ("cqrs_id", "queue", "state", "deep", "started_at", "ended_at", *COUNTS)
    list_filter = (StateFilter, QueueFilter, ModelFilter, "deep")
    ordering = ("-id",)
    actions = ("compare_again",)
    fields = (
        *("cqrs_id", "queue", "state", "note", "deep", "repair", "lift", "force", "started_at", "heard_at", "ended_at"),
        *COUNTS,
        *("keys", "columns"),
    )

    def has_compare_permission(self, request: HttpRequest) -> bool:
        """Whether this person may have rows compared, and repaired."""
        return request.user.has_perm("celery_cqrs.add_reconciliation")

    @admin.action(description="Compare again, and repair", permissions=["compare"])
    def compare_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Begin a comparison of each model and queue among the chosen ones, as deep as they were."""
        chosen = {(run.cqrs_id, run.queue, run.deep) for run in queryset}
        begun = 0
        for cqrs_id, queue, deep in sorted(chosen):
            wish = Wish(deep=deep, repair=conf.reconcile.repair)
            begun += len(conversation.start(queryset.db, wish, [cqrs_id], [queue], by_hand=True))
        text = f"{begun} of {len(chosen)} comparisons begin; reload this page to see how they end."
        self.message_user(request, text, messages.SUCCESS if begun == len(chosen) else messages.WARNING)
