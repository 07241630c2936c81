"""Four workers over a few hot keys, with duplicates and in any order: never a step back, nothing comes back to life."""

from __future__ import annotations

import queue
import random
import threading

import pytest
from django.db import connections

from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.replica.receive import receive
from tests.app.models import AuthorRef
from tests.apply.race import Worker, execute
from tests.receive.wire import author, batch, deletion

pytestmark = pytest.mark.usefixtures("each_path")

KEYS = range(1, 5)
REVISIONS = 9
WATCHES = {
    "postgresql": (
        """CREATE FUNCTION never_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.cqrs_revision <= OLD.cqrs_revision THEN RAISE EXCEPTION 'a step back'; END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER never_back BEFORE UPDATE ON app_authorref FOR EACH ROW EXECUTE FUNCTION never_back()",
    ),
    "mysql": (
        """CREATE TRIGGER never_back BEFORE UPDATE ON app_authorref FOR EACH ROW
        IF NEW.cqrs_revision <= OLD.cqrs_revision
        THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a step back'; END IF""",
    ),
    "sqlite": (
        """CREATE TRIGGER never_back BEFORE UPDATE ON app_authorref WHEN NEW.cqrs_revision <= OLD.cqrs_revision
        BEGIN SELECT RAISE(ABORT, 'a step back'); END""",
    ),
}
UNWATCH = {
    "postgresql": ("DROP TRIGGER never_back ON app_authorref", "DROP FUNCTION never_back()"),
    "mysql": ("DROP TRIGGER never_back",),
    "sqlite": ("DROP TRIGGER never_back",),
}


@pytest.fixture
def watched(database):
    """The database itself refuses an update that does not raise the revision."""
    connection = connections[database]
    for statement in WATCHES[connection.vendor]:
        execute(connection, statement)
    yield database
    for statement in UNWATCH[connection.vendor]:
        execute(connection, statement)


def life_of(pk, chance):
    """The messages of one key: saves, deletions, new lives, each a revision higher."""
    is_there, messages = False, []
    for revision in range(REVISIONS):
        is_there = not is_there or chance.random() < 0.6
        messages.append(author(pk, revision) if is_there else deletion("author", pk, revision))
    return messages


def batches_of(lives, chance):
    """All messages, half of them twice, shuffled and cut into batches."""
    messages = [message for life in lives for message in life]
    messages += chance.sample(messages, len(messages) // 2)
    chance.shuffle(messages)
    while messages:
        size = chance.randint(1, 6)
        yield batch(*messages[:size])
        messages = messages[size:]


def receive_all(waiting, start):
    start.wait()
    while True:
        try:
            receive(waiting.get_nowait())
        except queue.Empty:
            return


@pytest.mark.parametrize("seed", range(2))
def test_four_workers_over_hot_keys_end_as_the_newest_message_of_each_key_says(watched, seed):
    chance = random.Random(seed)
    lives = [life_of(pk, chance) for pk in KEYS]
    waiting = queue.SimpleQueue()
    for payload in batches_of(lives, chance):
        waiting.put(payload)
    start = threading.Barrier(4)
    for worker in [Worker(lambda: receive_all(waiting, start)) for _ in range(4)]:
        worker.finish()
    newest = [life[-1] for life in lives]
    expected = {
        one["instance_pk"]: one["instance_data"]["cqrs_revision"] for one in newest if one["signal_type"] == "SAVE"
    }
    assert [kept.reason for kept in Letter.objects.all()] == []
    assert dict(AuthorRef.objects.values_list("pk", "cqrs_revision")) == expected
    assert not Tombstone.objects.filter(revision=Tombstone.PLACEHOLDER).exists()


def test_the_watch_would_see_a_step_back(watched):
    receive(batch(author(1, 3)))
    with pytest.raises(Exception, match="a step back"):
        AuthorRef.objects.update(cqrs_revision=2)
