"""The page on testing a project shows tests; they run."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from celery_cqrs import testing
from celery_cqrs.models import Letter
from celery_cqrs.testing.fixtures import cqrs  # noqa: F401 (a fixture)
from celery_cqrs.testing.stage import Stage
from celery_cqrs.transport.base import APPLY, Envelope
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.conftest import on_sqlite
from tests.receive.wire import batch, message
from tests.settle.replicas import Failing, reset

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "test-your-project.md"
BLOCKS = re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.DOTALL)


def names_of(marker: str) -> dict[str, Any]:
    """What the block with ``marker`` defines."""
    (block,) = [one for one in BLOCKS if marker in one]
    names: dict[str, Any] = {"__name__": __name__}
    exec(block.replace("from app.models", "from tests.app.models"), names)
    return names


SHOWN: Any = names_of("class AuthorsTravel")["AuthorsTravel"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", unittest.TestLoader().getTestCaseNames(SHOWN))
def test_the_test_case_of_the_page_passes(name: str) -> None:
    result = unittest.TestResult()
    SHOWN(name).run(result)
    assert result.testsRun == 1
    assert result.failures == result.errors == []


@pytest.mark.django_db
def test_the_pytest_function_of_the_page_passes(cqrs: Stage) -> None:  # noqa: F811
    names_of("def test_a_saved_author_reaches_the_replica(cqrs)")["test_a_saved_author_reaches_the_replica"](cqrs)


@on_sqlite
def test_a_letter_is_tried_again_when_its_time_has_passed_and_no_sooner(uncommitted: str, cqrs: Stage) -> None:  # noqa: F811
    MemoryTransport.queues["replica"].append(Envelope(APPLY, "replica", batch(message("failing", 1, name="Ann")), ""))
    cqrs.deliver()
    Failing.broken = False
    cqrs.retry()
    assert Letter.objects.get().state == Letter.RETRYING
    cqrs.pass_time(minutes=10)
    cqrs.retry()
    assert AuthorRef.objects.get().name == "Ann"
    assert not Letter.objects.exists()


@pytest.fixture(autouse=True)
def heal() -> Iterator[None]:
    """The replica that fails does so in each test."""
    reset()
    yield
    reset()


@pytest.fixture
def celery_transport(settings: Any) -> None:
    """The transport of production."""
    settings.CQRS = {**settings.CQRS, "transport": "celery_cqrs.transport.celery.CeleryTransport"}


@pytest.mark.usefixtures("celery_transport")
def test_a_project_without_the_memory_transport_is_told_what_to_set() -> None:
    with pytest.raises(ImproperlyConfigured, match="MemoryTransport"):
        Stage()


@pytest.mark.django_db
def test_what_was_captured_in_an_open_transaction_is_published_on_demand() -> None:
    Author.objects.create(name="Ann")
    assert not MemoryTransport.queues["replica"]
    assert testing.publish() == len(MemoryTransport.queues["replica"]) == 1
    assert testing.publish() == 0
