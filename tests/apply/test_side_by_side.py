"""What does not exclude each other goes on side by side, at the isolation level that Django uses by itself."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Tombstone
from tests.app.models import AuthorRef
from tests.apply.race import STOP_SAVING, make_rows_to_stop_at, receiving, stopped
from tests.receive.wire import author, deletion

pytestmark = pytest.mark.usefixtures("each_path")


@pytest.fixture(autouse=True)
def rows_to_stop_at(server):
    """What the batches of the first worker stumble over."""
    make_rows_to_stop_at()


def test_saves_of_one_model_do_not_wait_for_each_other(server):
    with stopped(server, author(1), STOP_SAVING):
        receiving(author(2)).finish()
        assert AuthorRef.objects.get(pk=2).cqrs_revision == 0


def test_a_delete_of_another_model_does_not_wait(server):
    with stopped(server, author(1), STOP_SAVING):
        receiving(deletion("recipe", 1, 1)).finish()
        assert Tombstone.objects.get(cqrs_id="recipe").revision == 1
