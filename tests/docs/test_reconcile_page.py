"""The page on comparing replicas shows a receiver and a test; both run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from celery_cqrs import signals
from celery_cqrs.testing.fixtures import cqrs  # noqa: F401 (a fixture)
from celery_cqrs.testing.stage import Stage
from tests.app.models import Author, AuthorRef
from tests.settle.conftest import sqlite  # noqa: F401 (a fixture)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "reconcile.md"
RECEIVER, SHOWN = re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.DOTALL)


def test_the_test_and_the_receiver_of_the_page_do_what_it_says(sqlite: None, cqrs: Stage) -> None:  # noqa: F811
    names: dict[str, Any] = {"Author": Author, "AuthorRef": AuthorRef}
    exec(RECEIVER, names)
    exec(SHOWN, names)
    try:
        names["test_an_edited_replica_is_mended"](cqrs)
    finally:
        signals.drift_found.disconnect(names["alarm"])
    assert names["noticed"] == ["1 content of author on replica"]


@pytest.mark.parametrize("state", ["no answer", "not comparable", "busy", "failed", "replaced"])
def test_the_page_has_a_word_for_every_end(state: str) -> None:
    assert f"| `{state}` |" in PAGE.read_text()
