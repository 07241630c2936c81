"""Two rows exchange a unique value: in bulk they are written together, where the constraint waits for the end."""

import pytest
from django.db import connections

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied
from tests.app.models import AuthorRef
from tests.conftest import each_database
from tests.receive.wire import author, deliver, retry_now

pytestmark = pytest.mark.parametrize("database", each_database(commits=True)[1:2], indirect=True)


def alter_table(using, change):
    with connections[using].cursor() as cursor:
        cursor.execute(f"ALTER TABLE app_authorref {change}")


@pytest.fixture(autouse=True)
def two_authors(database):
    """Ann and Bob, in a table that has no name twice when a transaction ends."""
    alter_table(database, "ADD CONSTRAINT one_name UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
    deliver(author(1, name="Ann"), author(2, name="Bob"))
    yield
    alter_table(database, "DROP CONSTRAINT one_name")


def names():
    return dict(AuthorRef.objects.values_list("pk", "name"))


def test_a_batch_that_brings_both_writes_both():
    assert deliver(author(1, 1, name="Bob"), author(2, 1, name="Ann")) == [Applied(), Applied()]
    assert names() == {1: "Bob", 2: "Ann"}


def test_what_came_apart_is_written_once_both_are_there():
    deliver(author(1, 1, name="Bob"))
    deliver(author(2, 1, name="Ann"))
    assert names() == {1: "Ann", 2: "Bob"}
    retry_now()
    assert names() == {1: "Bob", 2: "Ann"} and not Letter.objects.exists()
