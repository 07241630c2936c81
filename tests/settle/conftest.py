"""Helpers of the settle tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apply.conftest import server, sqlite
from tests.settle import replicas

__all__ = ["server", "sqlite"]


@pytest.fixture(autouse=True)
def fresh_policies() -> Iterator[None]:
    """The replica models of this folder begin each test as they were written."""
    replicas.reset()
    yield
    replicas.reset()
