"""A replica in a database of its own, by a router of the project: rows, tombstones and letters live there together."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Reason, Skipped
from tests.app.models import AuthorRef, ShelfRef
from tests.django.conftest import problems
from tests.receive.wire import author, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Failing, reset

SHELF = "c0ffee00-0000-4000-8000-000000000000"
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.servers("postgres"),
]


class Apart:
    """Authors are kept in PostgreSQL, everything else in the default database."""

    def db_for_write(self, model, **hints):
        """By the table."""
        return "postgres" if model._meta.db_table == AuthorRef._meta.db_table else "default"

    db_for_read = db_for_write

    def allow_migrate(self, db, app_label, **hints):
        """Our tables are on both; the other servers of the tests are out of sight."""
        return db in ("default", "postgres")


@pytest.fixture(autouse=True)
def apart(settings):
    """The project's router."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Apart"]
    reset()
    yield
    reset()


def keys(model, using):
    """The keys of the rows of a model in one database."""
    return set(model.objects.using(using).values_list("pk", flat=True))


def test_each_row_of_a_batch_is_written_to_the_database_of_its_model(each_path):
    assert deliver(author(1), message("shelf", SHELF, label="top"), author(2)) == [Applied()] * 3
    assert (keys(AuthorRef, "postgres"), keys(AuthorRef, "default")) == ({1, 2}, set())
    assert (len(keys(ShelfRef, "default")), keys(ShelfRef, "postgres")) == (1, set())


def test_a_deletion_is_remembered_beside_its_row_and_guards_it(each_path):
    deliver(author(1), deletion("author", 1, 2))
    assert Tombstone.objects.using("postgres").get().pk_text == "1"
    assert not Tombstone.objects.using("default").exists()
    assert deliver(author(1, 1)) == [Skipped(Reason.DELETED)]


def test_a_letter_is_kept_beside_its_row_and_tried_from_there(each_path):
    deliver(author(1, rival=9), message("shelf", SHELF))
    assert Letter.objects.using("postgres").get().cqrs_id == "author"
    assert Letter.objects.using("default").get().cqrs_id == "shelf"
    assert len(confirmed()) == 2
    deliver(author(9))
    Letter.objects.using("postgres").update(not_before="2020-01-01T00:00:00Z")
    assert retry_now() == 1
    assert keys(AuthorRef, "postgres") == {1, 9}
    assert not Letter.objects.using("postgres").exists()


def test_a_hook_writes_where_its_model_lives():
    Failing.broken = False
    assert deliver(message("failing", 1, name="n"), message("failing", 1, 1, name="m")) == [Applied()] * 2
    assert AuthorRef.objects.using("postgres").get().name in ("n", "m")


def test_a_save_by_hand_goes_to_the_database_of_its_model():
    assert AuthorRef.cqrs_save(author(1)["instance_data"])._state.db == "postgres"
    assert keys(AuthorRef, "postgres") == {1}


def test_the_checks_ask_the_database_where_a_model_lives(configure):
    configure(replica={"CQRS_QUERY_TIMEOUT": 5_000})
    assert [one.msg.split()[-1] for one in problems() if one.id == "celery_cqrs.W003"] == ["'default'."]
