"""Look here while atlas changes. Copies are for reading."""

from django.contrib import admin

from shop.models import Country, Subdivision


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only their master changes."""

    has_add_permission = has_change_permission = has_delete_permission = lambda *_: False


@admin.register(Country)
class CountryAdmin(ReadOnlyAdmin):
    """Countries under shop's names."""

    list_display = ("iso_code", "flag", "title", "full_title", "cqrs_revision")
    search_fields = ("iso_code", "title")


@admin.register(Subdivision)
class SubdivisionAdmin(ReadOnlyAdmin):
    """Subdivisions under shop's names."""

    list_display = ("iso_code", "title", "kind", "country_id", "part_of_id", "cqrs_revision")
    search_fields = ("iso_code", "title")
