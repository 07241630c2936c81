"""For the admin pages of master models: an action that sends the present state of the chosen rows again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from celery_cqrs.master.sync import sync_rows

LEFT_OUT = "failed: not meant for a replica (is_sync_instance, CQRS_PRODUCE, master.replicas), gone, or faulty."


class CQRSAdminMasterSyncMixin:
    """Put before ``admin.ModelAdmin``; the action needs the permission to change the model."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The actions of the page, and ours, also where ``actions`` is set to others."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        if self.has_change_permission(request):  # type: ignore[attr-defined]
            function, name, description = self.get_action("sync_items")  # type: ignore[attr-defined]
            actions[name] = (function, name, description)
        return actions

    @admin.action(description="Synchronize selected %(verbose_name_plural)s via CQRS", permissions=["change"])
    def sync_items(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Capture a SYNC for each chosen row, and say how many there are."""
        synced = sync_rows(self._cqrs_sync_queryset(queryset))
        tell = self.message_user  # type: ignore[attr-defined]
        tell(request, f"{synced.captured} successfully captured; the replicas get them in a moment.")
        if synced.left_out:
            problem = (
                "failed: not meant for a replica (is_sync_instance, CQRS_PRODUCE, master.replicas), gone, or faulty."
            )
            tell(request, f"{synced.left_out} {problem}", messages.WARNING)

    def _cqrs_sync_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows to synchronize, from those that were chosen. To be overridden."""
        return queryset
