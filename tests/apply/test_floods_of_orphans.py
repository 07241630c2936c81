"""Many rows whose parents are not here cost the others nothing, and little themselves."""

from __future__ import annotations

from collections import Counter

from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Retry, Waiting
from tests.app.families import TownRef
from tests.app.models import AuthorRef
from tests.apply.test_missing_parents import land, town
from tests.conftest import with_row_locks
from tests.receive.wire import author, deliver


def endings_by_type(messages):
    return Counter(type(ending) for ending in deliver(*messages))


def test_orphans_wait_and_all_their_neighbours_are_applied(database):
    deliver(land(1))
    assert endings_by_type(town(pk, country=1 + pk % 3 // 2) for pk in range(1, 61)) == {Applied: 40, Waiting: 20}
    assert set(TownRef.objects.values_list("land_id", flat=True)) == {1}
    deliver(land(2))
    testing.deliver("replica")
    assert TownRef.objects.count() == 60
    assert not Letter.objects.exists()


def test_children_of_orphans_wait_for_them_and_children_of_the_others_do_not(database):
    row_of_heirs = [author(pk, rival=pk - 1) for pk in range(2, 11)]
    orphans = [author(20, rival=99), author(21, rival=20), author(22, rival=21)]
    assert endings_by_type([author(1), *row_of_heirs, *orphans]) == {Applied: 10, Waiting: 3}
    waits = dict(Letter.objects.values_list("pk_text", "parent_key"))
    assert waits == {"20": "99", "21": "20", "22": "21"}
    deliver(author(99))
    testing.deliver("replica")
    assert AuthorRef.objects.count() == 14


def test_a_row_whose_parent_comes_later_in_the_batch_spends_no_try(database):
    late = {**author(1), "signal_type": "SYNC"}
    endings = deliver(author(2, rival=1), author(4, rival=9), late, author(3, rival=1))
    testing.deliver("replica")
    assert Retry not in {type(ending) for ending in endings}
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 2, 3}
    assert list(Letter.objects.values_list("pk_text", "attempts")) == [("4", 0)]


@with_row_locks
def test_a_hundred_orphans_take_hardly_more_statements_than_ten(database):
    few = statements_of([town(pk, country=9) for pk in range(1, 11)], database)
    many = statements_of([town(pk, country=9) for pk in range(11, 111)], database)
    assert many < few + 10
    assert Letter.objects.count() == 110


def statements_of(messages, database):
    with CaptureQueriesContext(connections[database]) as statements:
        deliver(*messages)
    return len(statements)
