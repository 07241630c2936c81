"""Editing here is what the replicas follow."""

from django.contrib import admin

from atlas.models import Country, Subdivision


@admin.register(Country)
class CountryAdmin(admin.ModelAdmin):
    """Countries."""

    list_display = ("alpha_2", "flag", "name", "official_name", "cqrs_revision")
    readonly_fields = ("cqrs_revision",)
    search_fields = ("alpha_2", "name")


@admin.register(Subdivision)
class SubdivisionAdmin(admin.ModelAdmin):
    """Subdivisions."""

    list_display = ("code", "name", "type", "country", "parent", "cqrs_revision")
    list_select_related = ("country", "parent")
    readonly_fields = ("cqrs_revision",)
    search_fields = ("code", "name")
    autocomplete_fields = ("country", "parent")
