"""Two workers and the hostile moments between them: EVIDENCE §1 (A and B), §10, and their mirror images.

A third connection holds the lock that stops one worker in the middle of its transaction: author 500 cannot be deleted
while somebody works on its rival 501, and nobody can become a rival of 600 while that row is held.
"""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter, Tombstone
from tests.app.models import AuthorRef
from tests.apply.race import (
    STOP_DELETING,
    STOP_SAVING,
    Worker,
    execute,
    make_rows_to_stop_at,
    meet,
    receiving,
    stopped,
    third_connection,
    until_waiting,
)
from tests.receive.wire import author, deletion, deliver

pytestmark = pytest.mark.usefixtures("each_path")


@pytest.fixture(autouse=True)
def rows_to_stop_at(server):
    """What the batches of the first worker stumble over."""
    make_rows_to_stop_at()


def rows(pk=1):
    return list(AuthorRef.objects.filter(pk=pk).values_list("name", "cqrs_revision"))


def grave(pk="1"):
    return list(Tombstone.objects.filter(side="replica", pk_text=pk).values_list("revision", flat=True))


def test_interleaving_a_a_save_cannot_pass_an_open_delete_of_an_absent_row(server, level):
    meet(server, [deletion("author", 1, 4), STOP_DELETING], [author(1, 3)])
    assert rows() == []
    assert grave() == [4]


def test_interleaving_b_a_save_cannot_pass_an_open_delete_of_its_row(server, level):
    deliver(author(1, 2))
    meet(server, [deletion("author", 1, 4), STOP_DELETING], [author(1, 3)])
    assert rows() == []
    assert grave() == [4]


def test_a_newer_save_beside_an_open_delete_is_the_row_of_the_next_life(server, level):
    deliver(author(1, 2))
    meet(server, [deletion("author", 1, 4), STOP_DELETING], [author(1, 5)])
    assert rows() == [("name at 5", 5)]
    assert grave() == [4]


def test_a_delete_beside_an_open_save_of_an_absent_row_takes_it(server, level):
    meet(server, [author(1, 3), STOP_SAVING], [deletion("author", 1, 4)])
    assert rows() == []
    assert grave() == [4]


def test_a_delete_beside_an_open_save_of_a_present_row_takes_it(server):
    deliver(author(1, 2))
    meet(server, [author(1, 3), STOP_SAVING], [deletion("author", 1, 4)])
    assert rows() == []
    assert grave() == [4]


def test_an_old_delete_beside_an_open_save_of_the_next_life_leaves_it(server):
    meet(server, [author(1, 5), STOP_SAVING], [deletion("author", 1, 4)])
    assert rows() == [("name at 5", 5)]


@pytest.mark.parametrize(("first", "second"), [(3, 4), (4, 3)])
def test_two_workers_that_create_one_absent_key_make_one_row_at_the_highest_revision(server, level, first, second):
    meet(server, [author(1, first), STOP_SAVING], [author(1, second)])
    assert rows() == [(f"name at {max(first, second)}", max(first, second))]
    assert grave() == []
    assert not Letter.objects.exists()


@pytest.mark.parametrize(("first", "second"), [(3, 4), (4, 3), (3, 3)])
def test_two_workers_that_update_one_row_leave_the_highest_revision(server, first, second):
    deliver(author(1, 2))
    meet(server, [author(1, first), STOP_SAVING], [author(1, second)])
    assert rows() == [(f"name at {max(first, second)}", max(first, second))]
    assert not Letter.objects.exists()


def test_two_workers_that_delete_one_row_leave_the_highest_tombstone(server):
    deliver(author(1, 2))
    meet(server, [deletion("author", 1, 4), STOP_DELETING], [deletion("author", 1, 6)])
    assert rows() == []
    assert grave() == [6]


def test_a_delete_that_fails_beside_a_waiting_save_lets_the_save_through(server):
    with third_connection(server) as third:
        execute(third, "SELECT id FROM app_authorref WHERE id = 501 FOR UPDATE")
        deleting = receiving(STOP_DELETING)
        until_waiting(server, 1, deleting)
        saving = receiving(author(500, 2))
        until_waiting(server, 2, saving)
    deleting.finish()
    saving.finish()
    assert rows(500) == [("name at 2", 2)]
    assert grave("500") == []
    assert not Letter.objects.exists()


def test_a_delete_by_hand_beside_an_open_save_takes_the_row(server):
    data = {"id": 1, "cqrs_revision": 4, "cqrs_updated": "2026-01-01T00:00:00Z"}
    with stopped(server, author(1, 3), STOP_SAVING):
        by_hand = Worker(lambda: AuthorRef.cqrs_delete(data))
        until_waiting(server, 2, by_hand)
    assert by_hand.finish() is True
    assert rows() == []
    assert grave() == [4]
