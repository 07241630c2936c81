"""Look here while atlas changes. Copies are for reading."""

from django.contrib import admin

from search.models import CountryDocument


@admin.register(CountryDocument)
class CountryDocumentAdmin(admin.ModelAdmin):
    """Documents, which only their master changes."""

    has_add_permission = has_change_permission = has_delete_permission = lambda *_: False
    list_display = ("alpha_2", "title", "cqrs_revision")
    search_fields = ("alpha_2", "title")
