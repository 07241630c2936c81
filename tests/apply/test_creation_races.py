"""Two who want to create the same row at once: the second says so, in the word that django-cqrs has for it.

Instance by instance, on PostgreSQL: MariaDB lets the second wait for the row itself, which then was never absent.
"""

from __future__ import annotations

import pytest

from celery_cqrs import signals
from tests.app.models import AuthorRef
from tests.apply.race import STOP_SAVING, make_rows_to_stop_at, meet
from tests.conftest import on_database
from tests.receive.wire import author, deletion, deliver


@pytest.fixture(autouse=True)
def by_instance(monkeypatch):
    """In bulk nobody looks at absent rows before writing them."""
    monkeypatch.setattr(AuthorRef, "CQRS_APPLY", "instance")


@pytest.fixture
def races():
    """The keys and revisions of the messages that met somebody else's row."""
    seen = []

    def note(message, **_):
        seen.append((message.instance_pk, message.revision))

    signals.race_found.connect(note)
    yield seen
    signals.race_found.disconnect(note)


@pytest.mark.parametrize("server", [pytest.param("postgres", marks=on_database("postgres"))], indirect=True)
@pytest.mark.parametrize("revision", [1, 2, 3], ids=["older", "the same", "newer"])
def test_the_second_of_two_who_create_one_row_speaks_of_a_race(server, races, revision):
    make_rows_to_stop_at()
    meet(server, [author(1, 2), STOP_SAVING], [author(1, revision), author(2, revision)])
    assert races == [(1, revision)]
    assert AuthorRef.objects.get(pk=1).cqrs_revision == max(2, revision)


def test_an_ordinary_creation_a_change_and_a_new_life_are_no_races(database, races):
    deliver(author(1), author(1, 1))
    deliver(author(1, 2))
    deliver(deletion("author", 1, 3))
    deliver(author(1, 4))
    assert races == []
