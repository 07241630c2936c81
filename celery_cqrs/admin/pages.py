"""What our admin pages share: a person looks, counting stops early, filters know their choices without the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from celery_cqrs.message import SignalType

COUNTED = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Looks for up to ``COUNTED`` rows, and once for both count and page: a filter may mean a long search."""

    @cached_property
    def keys(self) -> list[Any]:
        """The primary keys of the first rows, in the order of the pages."""
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[:COUNTED])

    @cached_property
    def count(self) -> int:
        """How many rows there are, or ``COUNTED`` when there are more."""
        return len(self.keys)

    def page(self, number: int | str) -> Page[Any]:
        """The rows of one page."""
        number = self.validate_number(number)
        rows: Any = self.object_list
        start = (number - 1) * self.per_page
        return Page(rows.filter(pk__in=self.keys[start : start + self.per_page]), number, self)


class LookOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows are made by the flow; a person looks, and deletes by permission."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own deletion, which loads every row and lists it; ours work in portions."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def count(self, rows: QuerySet[Any]) -> int:
        """How many a person would say that ``rows`` are, counted up to ``COUNTED`` of them."""
        return rows.order_by()[:COUNTED].count()

    def ask_first(self, request: HttpRequest, rows: QuerySet[Any], *, action: str, sentence: str) -> HttpResponse:
        """A page that asks before ``action`` is done; ``sentence`` goes on after the count of what it is done to."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.capitalize()}?",
            "opts": self.opts,
            "action": action,
            "verb": action.capitalize(),
            "sentence": sentence,
            "count": self.count(rows),
            "rows": rows.order_by()[:COUNTED].count(),
            "counted": COUNTED,
            "some": list(rows[:10]),
            "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "celery_cqrs/ask_first.html", context)


class ListedFilter(admin.SimpleListFilter):
    """A filter whose choices are known without a look at the table: ``parameter_name`` is the field."""

    def names(self) -> Iterable[str]:
        """The values to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each value is its own label; one that only the address names is shown as well."""
        return [(name, name) for name in sorted({*self.names(), *filter(None, [self.value()])})]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows that have the chosen value."""
        chosen = self.value()
        return queryset if chosen is None else queryset.filter(**{str(self.parameter_name): chosen})


class SignalTypeFilter(ListedFilter):
    """By what happened to the instance."""

    title = "signal type"
    parameter_name = "signal_type"

    def names(self) -> Iterable[str]:
        """All there are."""
        return [str(kind) for kind in SignalType]
