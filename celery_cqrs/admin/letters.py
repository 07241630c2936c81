"""The page of letters: what failed and why, with the means to try it again or to give it up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from celery_cqrs.admin.pages import ListedFilter, LookOnlyAdmin, SignalTypeFilter
from celery_cqrs.models import Letter
from celery_cqrs.registry import ReplicaRegistry
from celery_cqrs.replica.dead_letters import purge_rows, replay_rows
from celery_cqrs.replica.receive import apply_to_model
from celery_cqrs.replica.retry import wake_now

REASON_SHOWN = 100
REFUSALS_SHOWN = 3
UNKNOWN = "(no model)"
PURGE = (
    "letters will be deleted; what they carry is never applied. Where one of them is the newest change of its row, the "
    "replica keeps an older state until the row is synced again."
)


class StateFilter(ListedFilter):
    """By state."""

    title = "state"
    parameter_name = "state"

    def names(self) -> Iterable[str]:
        """All there are."""
        return Letter.STATES


class ModelFilter(ListedFilter):
    """By CQRS_ID."""

    title = "CQRS_ID"
    parameter_name = "cqrs_id"

    def names(self) -> Iterable[str]:
        """The replica models of this service, and UNKNOWN for the letters that have none."""
        return [*ReplicaRegistry.models, UNKNOWN]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The letters of the chosen model."""
        if self.value() == UNKNOWN:
            return queryset.exclude(cqrs_id__in=list(ReplicaRegistry.models))
        return super().queryset(request, queryset)


class LetterAdmin(LookOnlyAdmin):
    """Messages that failed. Whoever may view looks; "Can replay letters" and "Can delete letter" allow the actions."""

    list_display = ("id", "state", "cqrs_id", "pk_text", "signal_type", "attempts", "not_before", "updated_at", "cause")
    list_filter = (StateFilter, ModelFilter, SignalTypeFilter)
    search_fields = ("pk_text__exact", "cqrs_id__exact", "reason__icontains")
    search_help_text = "A primary key or a CQRS_ID as a whole, or a part of a reason."
    ordering = ("-id",)
    sortable_by = ("id",)
    actions = ("replay", "purge")
    fieldsets = (
        (None, {"fields": ("state", "reason", "queue", "cqrs_id", "pk_text", "signal_type", "revision")}),
        ("Tries", {"fields": ("attempts", "not_before", "waits_until", "created_at", "updated_at")}),
        ("The message", {"fields": ("readable_payload",)}),
    )

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may replay letters."""
        return request.user.has_perm("celery_cqrs.replay_letter")

    def has_purge_permission(self, request: HttpRequest) -> bool:
        """Whoever may delete letters."""
        return self.has_delete_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Letter]:
        """Without the payload, which may be large; the page of one letter fetches its own."""
        return super().get_queryset(request).defer("payload")

    @admin.action(description="Try again now, with a fresh budget of retries", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Letter]) -> None:
        """Make the chosen letters due; say which cannot be tried, and why."""
        refusals: list[tuple[int, str]] = []
        count = 0
        for letter, refusal in replay_rows(queryset.defer(None)):
            count += not refusal
            if refusal:
                refusals.append((letter.pk, refusal))
        wake_now(apply_to_model, count)
        self.message_user(request, f"{count} letters are due now.")
        for pk, refusal in refusals[:REFUSALS_SHOWN]:
            self.message_user(request, f"Letter {pk} cannot be retried. {refusal}", messages.WARNING)
        if len(refusals) > REFUSALS_SHOWN:
            more = len(refusals) - REFUSALS_SHOWN
            self.message_user(request, f"{more} more letters cannot be retried.", messages.WARNING)

    @admin.action(description="Purge: delete without applying", permissions=["purge"])
    def purge(self, request: HttpRequest, queryset: QuerySet[Letter]) -> HttpResponse | None:
        """Ask, then delete the chosen letters."""
        if "confirmed" not in request.POST:
            return self.ask_first(request, queryset, action="purge", sentence=PURGE)
        self.message_user(request, f"{purge_rows(queryset)} letters purged.")
        return None

    @admin.display(description="reason")
    def cause(self, letter: Letter) -> str:
        """The beginning of the reason."""
        return letter.reason if len(letter.reason) <= REASON_SHOWN else f"{letter.reason[:REASON_SHOWN]}…"

    @admin.display(description="payload")
    def readable_payload(self, letter: Letter) -> str:
        """The message as indented JSON."""
        return format_html("<pre>{}</pre>", json.dumps(letter.payload, indent=2, ensure_ascii=False))
