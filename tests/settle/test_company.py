"""A message that is suspected alone has its process for itself: what kills it there was the message and nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from celery_cqrs import signals
from celery_cqrs.replica.company import Company
from celery_cqrs.replica.receive import receive
from tests.app.models import AuthorRef
from tests.conftest import with_row_locks
from tests.receive.wire import author, batch
from tests.settle.test_deadly_rows import note_start

SECONDS = 2
"""Long enough for a batch that nobody stops."""


@contextmanager
def while_applied(act):
    """``act`` is called once, while the next messages are being applied."""
    acted = []

    def once(**facts):
        if not acted:
            acted.append(True)
            act()

    signals.path_chosen.connect(once, weak=False)
    try:
        yield
    finally:
        signals.path_chosen.disconnect(once)


@with_row_locks
def test_no_other_batch_begins_while_a_suspect_message_is_tried_alone(database, elsewhere):
    suspect, began, ended = batch(author(1)), [], []
    note_start(suspect, database)

    def deliver_another():
        began.append(elsewhere(receive, batch(author(2))))
        ended.extend(wait(began, timeout=SECONDS).done)

    with while_applied(deliver_another):
        receive(suspect, redelivered=True)
    assert not ended
    began[0].result(timeout=30)
    assert AuthorRef.objects.count() == 2


@with_row_locks
def test_batches_that_nobody_suspects_are_applied_side_by_side(database, elsewhere):
    receive(batch(author(9)))  # so that MariaDB has its row to lock
    ended = []
    with while_applied(lambda: ended.append(elsewhere(receive, batch(author(2))).result(timeout=30))):
        receive(batch(author(1)))
    assert len(ended) == 1
    assert AuthorRef.objects.count() == 3


def test_whoever_is_alone_has_nobody_beside_it_and_all_get_their_turn():
    company, inside, crowds = Company(), [], []

    def work(number):
        with company.alone() if number % 3 == 0 else company.together():
            inside.append(number)
            crowds.append((number % 3 == 0, len(inside)))
            inside.remove(number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(3_000)))
    assert len(crowds) == 3_000
    assert {count for is_alone, count in crowds if is_alone} == {1}
