"""A second alias that only reads another one's database has a copy of its outbox, which is not ours to drain."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from celery_cqrs.database.tables import only_reads
from tests.conftest import on_database

pytestmark = on_database("postgres")


@pytest.fixture
def another() -> Iterator[Any]:
    """Another connection to the same database, with settings of its own."""
    connection = connections["postgres"].copy()
    connection.settings_dict = copy.deepcopy(connection.settings_dict)
    yield connection
    connection.close()


def test_a_database_that_takes_writes_is_no_read_replica(another):
    assert not only_reads(another)


def test_a_database_that_takes_no_writes_is_one(another):
    another.settings_dict["OPTIONS"] = {"options": "-c default_transaction_read_only=on"}
    assert only_reads(another)


def test_a_database_that_is_declared_as_a_mirror_is_one_and_is_not_asked(another):
    another.settings_dict["TEST"]["MIRROR"] = "default"
    assert only_reads(another) and another.connection is None
