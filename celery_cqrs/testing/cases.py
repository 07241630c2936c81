"""For test cases of Django and unittest."""

from __future__ import annotations

from typing import Any

from django.db import connections

from celery_cqrs.testing.stage import Stage


class CqrsTestMixin:
    """Put before TestCase or TransactionTestCase: ``self.cqrs`` is a Stage of the databases of the test case."""

    cqrs: Stage

    def setUp(self) -> None:
        """As the test case's, with an empty stage."""
        super().setUp()  # type: ignore[misc]
        databases: Any = self.databases  # type: ignore[attr-defined]
        self.cqrs = Stage(connections if databases == "__all__" else databases)
        self.addCleanup(self.cqrs.close)  # type: ignore[attr-defined]
