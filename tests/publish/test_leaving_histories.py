"""Any history of a filtered model leaves the replica equal to what passes the filter, whatever the broker does."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.master.drain import drain, drain_all
from celery_cqrs.models import Letter, Outbox, Tombstone
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.conftest import each_database

KEYS = st.sampled_from([1, 1, 1, 2])
NAMES = st.sampled_from(["a", "-a"])
WRITES = st.one_of(
    st.tuples(st.sampled_from(["save", "save", "save chosen fields", "update in bulk"]), KEYS, NAMES),
    st.tuples(st.sampled_from(["delete", "sync"]), KEYS, st.none()),
)
TRAFFIC = st.sampled_from(["drain", "drain", "drain some", "send again", "nothing"])
ARRIVALS = st.sampled_from(["deliver", "deliver", "deliver one", "double", "lose", "turn around", "nothing"])
STEPS = st.lists(st.tuples(WRITES, TRAFFIC, ARRIVALS), min_size=2, max_size=5)


class Story:
    """Plays a history in a transaction that is never committed: nothing is published or delivered but by a step."""

    def __init__(self, using):
        self.using = using

    def play(self, steps):
        for (kind, *subject), traffic, arrival in steps:
            getattr(self, kind.replace(" ", "_"))(*subject)
            getattr(self, traffic.replace(" ", "_"))()
            getattr(self, arrival.replace(" ", "_"))()
        while Outbox.objects.exists():
            self.send_again()
            self.deliver()

    def save(self, key, name):
        author = Author.objects.filter(pk=key).first() or Author(pk=key)
        author.name = name
        author.save()

    def save_chosen_fields(self, key, name):
        for author in Author.objects.filter(pk=key):
            author.name = name
            author.save(update_fields=["name"], update_cqrs_fields=True)

    def update_in_bulk(self, key, name):
        Author.cqrs.bulk_update(Author.objects.filter(pk__gte=key), name=name)

    def delete(self, key, _):
        for author in Author.objects.filter(pk=key):
            author.delete()

    def sync(self, key, _):
        for author in Author.objects.filter(pk=key):
            author.cqrs_sync()

    def nothing(self):
        pass

    def drain(self):
        drain_all(self.using)

    def drain_some(self):
        drain(self.using, limit=1)

    def send_again(self):
        Outbox.objects.update(sent_at=None)
        drain_all(self.using)

    def deliver(self):
        testing.deliver()

    def deliver_one(self):
        testing.deliver(limit=1)

    def double(self):
        waiting = MemoryTransport.queues["replica"]
        waiting.extend(copy.deepcopy(list(waiting)))

    def lose(self):
        MemoryTransport.queues["replica"].clear()

    def turn_around(self):
        MemoryTransport.queues["replica"].reverse()


@pytest.fixture
def leaving(monkeypatch):
    """Names that begin with "-" are for nobody else."""
    monkeypatch.setattr(Author, "CQRS_DELETE_ON_LEAVE", True)
    monkeypatch.setattr(Author, "is_sync_instance", lambda one: not one.name.startswith("-"))


def assert_replica_ends_as_the_filtered_master(using, steps):
    for model in (Author, AuthorRef, Outbox, Tombstone, Letter):
        model._base_manager.all()._raw_delete(using)
    MemoryTransport.clear()
    Story(using).play(steps)
    kept = {one for one in Author.objects.values_list("pk", "name", "cqrs_revision") if not one[1].startswith("-")}
    assert set(AuthorRef.objects.values_list("pk", "name", "cqrs_revision")) == kept
    assert not Letter.objects.exists()


on_servers = pytest.mark.parametrize("uncommitted", each_database(commits=False)[1:], indirect=True)
on_sqlite = pytest.mark.parametrize("uncommitted", each_database(commits=False)[:1], indirect=True)
any_fixture = [HealthCheck.function_scoped_fixture]


@on_sqlite
@settings(max_examples=150, deadline=None, suppress_health_check=any_fixture)
@given(steps=STEPS)
def test_any_history_leaves_the_replica_equal_to_the_filtered_master(uncommitted, leaving, steps):
    assert_replica_ends_as_the_filtered_master(uncommitted, steps)


@on_servers
@settings(max_examples=10, deadline=None, suppress_health_check=any_fixture)
@given(steps=STEPS)
def test_so_it_does_on_a_database_server(uncommitted, leaving, steps):
    assert_replica_ends_as_the_filtered_master(uncommitted, steps)
