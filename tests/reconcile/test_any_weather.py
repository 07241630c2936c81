"""Comparisons beside a writer, with messages lost, doubled and turned around at any moment: no healthy row is called
drift or touched, and hands that edited the replica are found in the end.
"""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Inquiry, Letter, Outbox, Reconciliation, Tombstone
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef
from tests.conftest import each_database
from tests.reconcile.drift import contents

KEYS = st.integers(1, 4)
WRITES = st.tuples(st.sampled_from(["save", "save", "delete", "sync", "drain", "send_again"]), KEYS)
HANDS = st.tuples(st.sampled_from(["edit", "remove", "add", "bring_back", "update_silently", "delete_silently"]), KEYS)
TALK = st.tuples(st.sampled_from(["compare", "compare", "tick"]), KEYS)
TRAFFIC = st.tuples(st.sampled_from(["deliver_some", "deliver_some", "deliver_some", "double", "lose", "turn"]), KEYS)
HEALTHY = st.lists(st.one_of(WRITES, TALK, TRAFFIC, TRAFFIC), min_size=4, max_size=16)
EDITED = st.lists(st.one_of(WRITES, HANDS, TALK, TRAFFIC), min_size=4, max_size=12)
DEEP = Wish(deep=True, lift=True, force=True)
MODELS = (Author, AuthorRef, Outbox, Tombstone, Letter, Inquiry, Reconciliation)


class Story:
    """Plays a history in a transaction that is never committed: nothing is published or delivered but by a step."""

    def __init__(self, using):
        self.using = using
        self.count = 0
        for model in MODELS:
            model._base_manager.all()._raw_delete(using)
        MemoryTransport.clear()

    def play(self, steps):
        for name, key in steps:
            getattr(self, name)(key)

    def settle(self):
        """All that is captured arrives; a comparison that nobody answers any more is followed by the next."""
        while Outbox.objects.exists():
            self.send_again(0)
            testing.deliver()

    def compare_to_the_end(self):
        self.settle()
        conversation.start(self.using, DEEP, ["author"], by_hand=True)
        testing.deliver()
        run = Reconciliation.objects.order_by("-id").first()
        self.settle()
        assert run.state == "complete"
        return run

    # ── a writer, and what carries its changes ──
    def name(self):
        self.count += 1
        return f"name {self.count}"

    def save(self, key):
        author = Author.objects.filter(pk=key).first() or Author(pk=key)
        author.name = self.name()
        author.save()

    def delete(self, key):
        for author in Author.objects.filter(pk=key):
            author.delete()

    def sync(self, key):
        for author in Author.objects.filter(pk=key):
            author.cqrs_sync()

    def drain(self, _):
        drain_all(self.using)

    def send_again(self, _):
        Outbox.objects.update(sent_at=None)
        drain_all(self.using)

    def deliver_some(self, count):
        testing.deliver(limit=4 * count)  # a conversation has about ten messages

    def double(self, _):
        waiting = MemoryTransport.queues["replica"]
        waiting.extend(copy.deepcopy(list(waiting)))

    def lose(self, _):
        MemoryTransport.queues["replica"].clear()

    def turn(self, _):
        MemoryTransport.queues["replica"].reverse()

    # ── comparisons ──
    def compare(self, _):
        conversation.start(self.using, DEEP, ["author"])
        conversation.go_on_all(self.using)

    def tick(self, _):
        Inquiry.objects.filter(asked_at__isnull=False).update(asked_at=timezone.now() - timedelta(minutes=9))
        conversation.tick(self.using)

    # ── hands ──
    def edit(self, key):
        AuthorRef.objects.filter(pk=key).update(name=self.name())

    def remove(self, key):
        AuthorRef.objects.filter(pk=key).delete()

    def add(self, key):
        AuthorRef.objects.bulk_create([ref(key + 100, self.name(), 3)], ignore_conflicts=True)

    def bring_back(self, key):
        AuthorRef.objects.bulk_create([ref(key, self.name(), 0)], ignore_conflicts=True)

    def update_silently(self, key):
        Author.objects.filter(pk=key).update(name=self.name())

    def delete_silently(self, key):
        Author.objects.filter(pk=key)._raw_delete(self.using)


def ref(key, name, revision):
    """A row that somebody wrote on the replica."""
    return AuthorRef(pk=key, name=name, cqrs_revision=revision, cqrs_updated=timezone.now())


def found():
    """What comparisons have counted or repaired."""
    return [run.keys for run in Reconciliation.objects.all() if run.drift or run.repaired]


def assert_healthy_rows_are_left_alone(using, steps):
    story = Story(using)
    story.play(steps)
    story.settle()
    assert found() == []
    assert contents(AuthorRef) == contents(Author)
    assert story.compare_to_the_end().drift == 0


def assert_all_is_mended(using, steps):
    story = Story(using)
    story.play(steps)
    story.compare_to_the_end()
    names = list(Author.objects.order_by("pk").values_list("pk", "name"))
    story.compare_to_the_end()
    assert story.compare_to_the_end().drift == 0
    assert contents(AuthorRef) == contents(Author)
    assert list(Author.objects.order_by("pk").values_list("pk", "name")) == names


on_servers = pytest.mark.parametrize("uncommitted", each_database(commits=False)[1:], indirect=True)
on_sqlite = pytest.mark.parametrize("uncommitted", each_database(commits=False)[:1], indirect=True)
many = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(many, max_examples=6)


@on_sqlite
@many
@given(steps=HEALTHY)
def test_no_healthy_row_is_ever_found_or_touched(uncommitted, steps):
    assert_healthy_rows_are_left_alone(uncommitted, steps)


@on_servers
@few
@given(steps=HEALTHY)
def test_nor_is_it_on_a_database_server(uncommitted, steps):
    assert_healthy_rows_are_left_alone(uncommitted, steps)


@on_sqlite
@many
@given(steps=EDITED)
def test_whatever_hands_have_done_is_mended_in_the_end(uncommitted, steps):
    assert_all_is_mended(uncommitted, steps)


@on_servers
@few
@given(steps=EDITED)
def test_so_it_is_on_a_database_server(uncommitted, steps):
    assert_all_is_mended(uncommitted, steps)


@on_sqlite
@pytest.mark.parametrize("write", ["save", "delete"])
@pytest.mark.parametrize("moment", range(10))
def test_a_change_that_has_not_left_the_outbox_is_no_drift_at_any_moment(uncommitted, moment, write):
    story = Story(uncommitted)
    for key in (1, 2):
        story.save(key)
    story.settle()
    story.edit(2)  # so that the conversation goes down to the rows
    conversation.start(uncommitted, DEEP, ["author"], by_hand=True)
    testing.deliver(limit=moment)
    getattr(story, write)(1)
    testing.deliver()
    assert [run.keys for run in Reconciliation.objects.all()] == [{"content": ["2"]}]
