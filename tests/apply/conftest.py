"""Helpers of the apply tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_cqrs.mixins import ReplicaMixin
from tests import router
from tests.apply.race import isolation
from tests.apply.replicas import Recorder
from tests.conftest import on_database


@pytest.fixture(autouse=True)
def forget_calls() -> Iterator[None]:
    """No call of a hook is noted from one test to the next."""
    Recorder.calls.clear()
    yield
    Recorder.calls.clear()


@pytest.fixture(params=["bulk", "instance"])
def each_path(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same test twice: where models allow it their messages go in bulk, or all of them go through the hooks."""
    ReplicaMixin.CQRS_APPLY = "auto" if request.param == "bulk" else "instance"
    yield request.param
    ReplicaMixin.CQRS_APPLY = "auto"


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=on_database("postgres")),
        pytest.param("mariadb", marks=on_database("mariadb")),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias under test, of the databases in which two transactions may really run side by side."""
    with router.whole_process_using(request.param):
        yield request.param


@pytest.fixture(params=["READ COMMITTED", "REPEATABLE READ"])
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """The isolation level of the workers' connections."""
    with isolation(request.param):
        yield request.param


@pytest.fixture
def sqlite(transactional_db: None) -> Iterator[None]:
    """For what is the same on every database: the quickest, with real transactions, the others out of sight."""
    with router.whole_process_using("default"):
        yield
