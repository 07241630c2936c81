"""What is forgotten, and when: dead letters and deletions, never anything that still waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celery_cqrs import tombstones
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.replica import letters
from celery_cqrs.tasks import prune_rows
from tests.receive.wire import author, deletion, deliver, message


def age(model, name, seconds):
    """Make all rows of ``model`` that old."""
    model.objects.update(**{name: timezone.now() - timedelta(seconds=seconds)})


def dead(*pks):
    deliver(*(message("unicorn", pk) for pk in pks))


def test_dead_letters_are_forgotten_after_their_time(database, configure):
    configure(replica={"dead_message_ttl": 1_000})
    dead(1, 2)
    age(Letter, "updated_at", 1_001)
    dead(3)
    assert letters.prune(database) == 2
    assert Letter.objects.get().pk_text == "3"


@pytest.mark.usefixtures("sqlite")
def test_letters_that_still_wait_are_never_forgotten():
    deliver(author(1, rival=999))
    age(Letter, "updated_at", 10**9)
    assert letters.prune("default") == 0
    assert Letter.objects.count() == 1


@pytest.mark.usefixtures("sqlite")
def test_without_a_limit_dead_letters_are_kept_for_ever(configure):
    configure(replica={"dead_message_ttl": None})
    dead(1)
    age(Letter, "updated_at", 10**9)
    assert letters.prune("default") == 0


@pytest.mark.usefixtures("sqlite")
def test_all_that_is_old_goes_in_portions_however_much_it_is():
    dead(1, 2, 3, 4, 5)
    age(Letter, "updated_at", 10**9)
    dead(6)
    with CaptureQueriesContext(connection) as done:
        assert letters.prune("default", portion=2) == 5
    assert len([query for query in done if query["sql"].startswith("DELETE")]) == 3
    assert Letter.objects.get().pk_text == "6"


def test_deletions_are_forgotten_after_their_time(database, configure):
    configure(tombstone_seconds=1_000)
    deliver(deletion("author", 1, 1))
    age(Tombstone, "deleted_at", 1_001)
    deliver(deletion("author", 2, 1))
    assert tombstones.prune(database) == 1
    assert Tombstone.objects.get().pk_text == "2"


@pytest.mark.usefixtures("sqlite")
def test_the_task_prunes_letters_and_deletions(configure):
    configure(tombstone_seconds=1_000, replica={"dead_message_ttl": 1_000})
    dead(1)
    deliver(deletion("author", 1, 1))
    age(Letter, "updated_at", 1_001)
    age(Tombstone, "deleted_at", 1_001)
    prune_rows()
    assert not Letter.objects.exists()
    assert not Tombstone.objects.exists()
