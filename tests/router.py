"""Sends every query to the database under test, so that one test runs unchanged on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.models import Model

current_alias: ContextVar[str | None] = ContextVar("current_alias", default=None)


class Router:
    """All reads and writes go to one alias; rows of two aliases are never related."""

    process_alias: str | None = None

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """The alias of this context, else that of the process."""
        return current_alias.get() or Router.process_alias or "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """While a test runs on one database, the tables of the others are out of sight."""
        return None if Router.process_alias is None else db == Router.process_alias

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        """Only inside one alias."""
        return one._state.db == other._state.db


@contextmanager
def using(alias: str) -> Iterator[None]:
    """Route this thread alone to ``alias``: a test that plays two services switches between them with this."""
    token = current_alias.set(alias)
    try:
        yield
    finally:
        current_alias.reset(token)


@contextmanager
def whole_process_using(alias: str) -> Iterator[None]:
    """Route every thread to ``alias``: a thread does not inherit the context of the one that starts it."""
    before, Router.process_alias = Router.process_alias, alias
    try:
        yield
    finally:
        Router.process_alias = before
