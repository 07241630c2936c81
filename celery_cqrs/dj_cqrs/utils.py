"""Utilities under their old path."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bulk_relate_cqrs_serialization(cqrs_id: str | None = None, using: str | None = None) -> Iterator[None]:
    """Nothing to do here: rows are read when they are published, all of a model in one query, related ones included."""
    yield
