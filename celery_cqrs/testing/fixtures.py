"""For pytest: ``from celery_cqrs.testing.fixtures import cqrs`` in a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_cqrs.testing.stage import Stage

__all__ = ["cqrs"]


@pytest.fixture
def cqrs() -> Iterator[Stage]:
    """A Stage of the default database, for tests that may use it (``db`` or ``transactional_db`` of pytest-django)."""
    stage = Stage()
    yield stage
    stage.close()
