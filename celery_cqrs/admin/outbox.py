"""The page of the outbox: what is not confirmed, with the means to send it again or to give it up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from celery_cqrs import conf
from celery_cqrs.admin.pages import COUNTED, ListedFilter, LookOnlyAdmin, SignalTypeFilter
from celery_cqrs.database import clock
from celery_cqrs.master.choice import STATES, count_changes, drop_rows, retry_rows, state_of, with_error, with_key
from celery_cqrs.models import Destination, Outbox
from celery_cqrs.registry import MasterRegistry

AGES = {"60": "one minute", "3600": "one hour", "86400": "one day", "604800": "one week"}
ERROR_SHOWN = 80
DROP = (
    "changes will be deleted unsent and never arrive at their replicas. Where one of them is the newest change of its "
    "row, the replica keeps an older state, or a row that the master has deleted, until the row is synced again."
)


class QueueFilter(ListedFilter):
    """By replica queue: those of the settings, and those that were ever sent to."""

    title = "queue"
    parameter_name = "queue"

    def names(self) -> Iterable[str]:
        """A queue that was taken out of the settings may have left rows behind."""
        return {*conf.master.replicas, *Destination.objects.values_list("queue", flat=True)}


class ModelFilter(ListedFilter):
    """By CQRS_ID."""

    title = "CQRS_ID"
    parameter_name = "cqrs_id"

    def names(self) -> Iterable[str]:
        """The models that this service owns."""
        return MasterRegistry.models


class StateFilter(admin.SimpleListFilter):
    """Pending, sent or set aside."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states."""
        return [(state, state.replace("_", " ")) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows in the chosen state."""
        rule = STATES.get(self.value() or "")
        return queryset if rule is None else queryset.filter(rule)


class AgeFilter(admin.SimpleListFilter):
    """By the time since the capture."""

    title = "age"
    parameter_name = "older_than"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Over a minute, an hour, a day, a week."""
        return [(seconds, f"over {words}") for seconds, words in AGES.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows that were captured longer ago than was chosen."""
        chosen = self.value()
        if chosen not in AGES:
            return queryset
        latest = clock.now(queryset.db) - timedelta(seconds=int(chosen))
        return queryset.filter(captured_at__lt=clock.for_field(latest))


class OutboxAdmin(LookOnlyAdmin):
    """Changes that are not confirmed, those of one database: the one that the router names for reading the outbox.

    Whoever may view looks; whoever may change may retry, whoever may delete may drop.
    """

    list_display = (
        "id",
        "state",
        "queue",
        "cqrs_id",
        "named_keys",
        "signal_type",
        "captured_at",
        "attempts",
        "problem",
    )
    list_filter = (StateFilter, QueueFilter, ModelFilter, SignalTypeFilter, AgeFilter)
    search_fields = ("pk_text", "cqrs_id", "error")
    search_help_text = "A primary key or a CQRS_ID as a whole, else a part of an error."
    ordering = ("id",)
    sortable_by = ("id",)
    actions = ("retry", "drop")
    fieldsets = (
        (None, {"fields": ("state", "queue", "cqrs_id", "named_keys", "signal_type", "revision", "direct")}),
        ("Sending", {"fields": ("captured_at", "available_at", "sent_at", "attempts", "error")}),
        ("What travels beside the instance", {"fields": ("previous", "deletion", "about", "correlation_id")}),
    )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may change outbox rows; by hand nobody does."""
        return request.user.has_perm("celery_cqrs.change_outbox")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Whoever may delete outbox rows."""
        return self.has_delete_permission(request)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By key if there is one, which an index finds; else by model; else in the errors."""
        term = search_term.strip()
        if not term:
            return queryset, False
        keyed = queryset.filter(with_key(queryset.db, term))
        if keyed.exists():
            return keyed, False
        return queryset.filter(Q(cqrs_id=term) if term in MasterRegistry.models else with_error(term)), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Say which database this is."""
        title = f"Outbox of database {self.get_queryset(request).db}, oldest change first"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def count(self, rows: QuerySet[Any]) -> int:
        """Changes, of which a bundle is many."""
        return count_changes(rows.order_by("id"), COUNTED)

    @admin.action(description="Send again at once", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Outbox]) -> None:
        """Make the chosen rows pending, as many as the page counts."""
        done = retry_rows(queryset.db, queryset.order_by("id"), COUNTED)
        left = f" {done.left} are being sent or confirmed just now and were left alone." if done.left else ""
        self.message_user(request, f"{done.changed} rows are pending now.{left}")

    @admin.action(description="Drop unsent", permissions=["drop"])
    def drop(self, request: HttpRequest, queryset: QuerySet[Outbox]) -> HttpResponse | None:
        """Ask, then delete the chosen rows, as many as the page counts."""
        if "confirmed" not in request.POST:
            return self.ask_first(request, queryset, action="drop", sentence=DROP)
        done = drop_rows(queryset.db, queryset.order_by("id"), COUNTED)
        self.message_user(request, f"{done.changed} rows dropped; their changes will not arrive.")
        return None

    # ── columns ────────────────────────────────────────────────────────────────────────────────────────────────────
    @admin.display(description="state")
    def state(self, row: Outbox) -> str:
        """Pending, sent or set aside."""
        return state_of(row).replace("_", " ")

    @admin.display(description="error")
    def problem(self, row: Outbox) -> str:
        """The beginning of the error."""
        return row.error if len(row.error) <= ERROR_SHOWN else f"{row.error[:ERROR_SHOWN]}…"

    @admin.display(description="previous values of tracked fields")
    def previous(self, row: Outbox) -> str:
        """As JSON."""
        return _json(row.previous_data)

    @admin.display(description="custom data of the deletion")
    def deletion(self, row: Outbox) -> str:
        """As JSON."""
        return _json(row.custom)

    @admin.display(description="meta")
    def about(self, row: Outbox) -> str:
        """As JSON."""
        return _json(row.meta)


def _json(value: Any) -> str:
    if value is None:
        return "-"
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
