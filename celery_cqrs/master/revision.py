"""The revision of a row: raised by one in the database by every UPDATE that writes it, always an int in memory."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.expressions import Expression


class Raised(Expression):
    """The stored revision + 1: ``F(…) + 1`` without what Django does to resolve it, a fifth of an UPDATE's cost."""

    def __init__(self, field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self._column = field.column

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Raised:
        """There is nothing to resolve: the column is one of the table that is updated."""
        return self

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """The column, plus one."""
        return f"{connection.ops.quote_name(self._column)} + 1", ()


class RevisionField(models.IntegerField):  # type: ignore[type-arg]
    """``cqrs_revision``: INSERT writes the attribute's int, UPDATE the stored value + 1, never what memory believes."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The value to write; also notes on the instance whether this was an INSERT."""
        model_instance._cqrs_created = add  # type: ignore[attr-defined]
        return super().pre_save(model_instance, add) if add else Raised(self)

    def deconstruct(self) -> Any:
        """An ordinary IntegerField for migrations, which then never depend on this module."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.IntegerField", args, kwargs


def home_of(model: type[models.Model]) -> type[models.Model]:
    """The model whose table holds the revision: ``model`` itself or, in multi-table inheritance, an ancestor."""
    owner: Any = model._meta.get_field("cqrs_revision").model
    home: type[models.Model] = owner._meta.concrete_model
    return home


def has_parent_revision(model: Any) -> bool:
    """Whether rows of ``model`` have their revision in a parent's table."""
    return home_of(model) is not model._meta.concrete_model
