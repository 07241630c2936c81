"""Whatever happens to letters, in any order: no row goes back, none comes back to life, and in the end all is equal."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from celery_cqrs.models import Attempt, Letter, Tombstone
from celery_cqrs.replica import dead_letters, receive, retry
from celery_cqrs.replica.dead_letters import Choice
from celery_cqrs.transport.base import REPAIR
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef
from tests.conftest import each_database
from tests.receive.wire import MASTER, confirmed, deliver, message
from tests.settle.replicas import Failing

KEYS = st.just(1)
LONG_AGO = "2020-01-01T00:00:00+00:00"


class Letters(RuleBasedStateMachine):
    """A master in memory, whose messages are lost, doubled and reordered, and a replica whose hooks fail at times."""

    sent = Bundle("sent")

    def __init__(self):
        super().__init__()
        for model in (AuthorRef, Letter, Tombstone, Attempt):
            model.objects.all().delete()
        MemoryTransport.clear()
        self.revisions, self.alive, self.numbers = {}, set(), count(1)
        self.outbox, self.old, self.highest, self.graves = {}, set(), {}, {}

    # ── the master ─────────────────────────────────────────────────────────────────────────────────────────────────
    def send(self, key, signal_type):
        """A message of the present state, and its outbox row."""
        number, revision = next(self.numbers), self.revisions[key]
        wire = message("failing", key, revision, signal_type, name=f"name at {revision}")
        self.outbox[number] = key
        return {**wire, "outbox_ids": [number]}

    @rule(target=sent, key=KEYS)
    def save(self, key):
        self.revisions[key] = self.revisions.get(key, -1) + 1
        self.alive.add(key)
        return self.send(key, "SAVE")

    @rule(target=sent, key=KEYS)
    def delete(self, key):
        if key not in self.alive:
            return multiple()
        self.revisions[key] += 1
        self.alive.discard(key)
        return self.send(key, "DELETE")

    @rule(target=sent, key=KEYS)
    def sync(self, key):
        return self.send(key, "SYNC") if key in self.alive else multiple()

    @rule(target=sent)
    def answer_questions(self):
        return multiple(*self.answers())

    def answers(self):
        """What the master sends for all that it was asked."""
        asked = [one for one in MemoryTransport.queues[MASTER] if one.task == REPAIR]
        for one in asked:
            MemoryTransport.queues[MASTER].remove(one)
        keys = {key["instance_pk"] for one in asked for key in one.payload["keys"]}
        return [self.present_state(key) for key in sorted(keys)]

    def present_state(self, key):
        """What the master says of a key when it is asked: a SYNC, or a DELETE at the tombstone."""
        return self.send(key, "SYNC" if key in self.alive else "DELETE")

    # ── the replica ────────────────────────────────────────────────────────────────────────────────────────────────
    @rule(wire=sent, fails=st.booleans(), together=st.booleans())
    def deliver(self, wire, fails, together):
        """Once more, perhaps twice in one batch; what was sent before the last change of eras is old."""
        Failing.broken = fails
        sent_at = {"sent_at": LONG_AGO} if wire["outbox_ids"][0] in self.old else {}
        deliver(*[wire] * (1 + together), **sent_at)

    @rule(fails=st.booleans())
    def retry(self, fails):
        Failing.broken = fails
        Letter.objects.exclude(state=Letter.DEAD).update(not_before=timezone.now())
        retry.retry_due(receive.apply_to_model)

    @rule(fails=st.booleans())
    def replay(self, fails):
        Failing.broken = fails
        for _ in dead_letters.replay_letters(Choice(state=None)):
            pass

    @rule(target=sent)
    def purge(self):
        """A person gives up the dead letters, and has their rows synced."""
        keys = sorted({int(letter.pk_text) for letter in dead_letters.stream_letters(Choice())})
        dead_letters.purge_letters(Choice())
        return multiple(*(self.present_state(key) for key in keys))

    @rule()
    def forget(self):
        """So much time passes that deletions are forgotten, and all that was sent before is older than that."""
        self.old |= set(self.outbox)
        Tombstone.objects.all().delete()
        for letter in Letter.objects.all():
            letter.payload = {**letter.payload, "sent_at": LONG_AGO}
            letter.save()

    # ── what holds ─────────────────────────────────────────────────────────────────────────────────────────────────
    @invariant()
    def no_row_goes_back_or_comes_back(self):
        for row in AuthorRef.objects.all():
            assert row.cqrs_revision >= self.highest.get(row.pk, 0)
            assert row.cqrs_revision > self.graves.get(row.pk, -1)
            assert row.name == f"name at {row.cqrs_revision}"
            self.highest[row.pk] = row.cqrs_revision
        for grave in Tombstone.objects.all():
            key = int(grave.pk_text)
            self.graves[key] = max(grave.revision, self.graves.get(key, -1))

    @invariant()
    def what_waits_is_never_older_than_what_is_there(self):
        held = dict(AuthorRef.objects.values_list("pk", "cqrs_revision"))
        assert all(letter.revision >= held.get(int(letter.pk_text), 0) for letter in Letter.objects.all())

    def teardown(self):
        """Failures end, the master sends again what is unconfirmed and answers: then both sides are equal."""
        for _ in range(3):
            done = set(confirmed())
            for number, key in list(self.outbox.items()):
                if number not in done:
                    del self.outbox[number]
                    self.deliver(self.present_state(key), fails=False, together=False)
            self.replay(fails=False)
            for wire in self.answers():
                self.deliver(wire, fails=False, together=False)
        assert not Letter.objects.exists()
        expected = {key: self.revisions[key] for key in self.alive}
        assert dict(AuthorRef.objects.values_list("pk", "cqrs_revision")) == expected


@pytest.mark.parametrize(
    ("uncommitted", "examples"),
    [
        pytest.param(*one.values, examples, marks=one.marks, id=one.id or one.values[0])
        for one, examples in zip(each_database(commits=False), [100, 15, 15], strict=True)
    ],
    indirect=["uncommitted"],
)
@pytest.mark.timeout(600)
def test_letters_never_move_a_row_back_and_lose_nothing(uncommitted, examples, configure):
    configure(replica={"CQRS_MAX_RETRIES": 2}, tombstone_seconds=timedelta(days=1).total_seconds())
    checks = list(HealthCheck)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=checks,
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Letters, settings=chosen)
