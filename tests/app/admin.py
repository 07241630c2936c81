"""Admin pages of master models."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from celery_cqrs.admin_mixins import CQRSAdminMasterSyncMixin
from tests.app.models import Author, Box


@admin.register(Author)
class AuthorAdmin(CQRSAdminMasterSyncMixin, admin.ModelAdmin):
    """The ordinary page, with an action of its own beside ours."""

    actions = ("shout",)

    def shout(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """In upper case."""


@admin.register(Box)
class BoxAdmin(CQRSAdminMasterSyncMixin, admin.ModelAdmin):
    """One that leaves some out."""

    def _cqrs_sync_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.exclude(label="never")
