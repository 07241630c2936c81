"""A sync leaves room for what comes live: so much is under way as replicas confirm in less than a second."""

from __future__ import annotations

import pytest

from celery_cqrs.exceptions import SyncStalled
from celery_cqrs.models import Outbox
from celery_cqrs.transfer.choice import rows_of
from celery_cqrs.transfer.sync import Wish, sync_table, wait_until_confirmed
from celery_cqrs.transfer.throttle import PATIENCE_SECONDS, Clock, Rate
from tests.app.models import Author
from tests.conftest import on_sqlite
from tests.transfer.dumps import make_authors

pytestmark = on_sqlite


class Time:
    """Passes when somebody pauses; then ``work`` is done."""

    def __init__(self, work=lambda: None):
        self.seconds = 0.0
        self.work = work

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.pause)

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        self.work()


def confirm(count: int) -> None:
    """A replica confirms the oldest rows."""
    oldest = Outbox.objects.order_by("id").values_list("id", flat=True)[:count]
    Outbox.objects.filter(id__in=list(oldest)).delete()


@pytest.fixture
def wish(uncommitted, configure):
    """All authors to all replicas, over a transport that nobody answers here."""
    configure(transport="tests.transfer.test_throttle.Nowhere", master={"batch_size": 10, "publish": "relay"})
    return lambda count, **more: (make_authors(count), Wish(Author, rows_of(Author), "{}", **more))[1]


class Nowhere:
    """A transport of other processes."""

    synchronous = False


def most_under_way(wish: Wish, rows_per_second: float) -> tuple[int, float]:
    """How many rows waited at the same time, and how long it took, with a replica of this speed."""
    seen: list[int] = []
    owed = 0.0

    def work() -> None:
        nonlocal owed
        seen.append(Outbox.objects.count())
        owed += rows_per_second * 0.05
        confirm(int(owed))
        owed -= int(owed)

    time = Time(work)
    window = sync_table(wish, None, lambda synced: None, time.clock)
    wait_until_confirmed(window, lambda synced: None, time.clock)
    assert not Outbox.objects.exists()
    return max(seen), time.seconds


def test_a_slow_replica_is_given_little_at_a_time(wish):
    most, seconds = most_under_way(wish(200), rows_per_second=50)
    assert most <= 60 and seconds == pytest.approx(200 / 50, rel=0.2)


def test_a_fast_replica_is_not_kept_waiting(wish):
    most, seconds = most_under_way(wish(4_000), rows_per_second=2_000)
    assert most <= 2_000 and seconds < 2 * 4_000 / 2_000


def test_a_replica_that_confirms_nothing_ends_the_sync_with_its_name(wish):
    time = Time()
    with pytest.raises(SyncStalled, match=r"Queue 'replica' has confirmed nothing for 60 s; 20 rows wait for it\."):
        sync_table(wish(100), None, lambda synced: None, time.clock)
    assert PATIENCE_SECONDS <= time.seconds < PATIENCE_SECONDS + 2
    assert Outbox.objects.count() == 20


def test_rows_that_cannot_be_sent_take_no_room_and_are_told_at_the_end(wish):
    chosen, time = wish(100), Time(lambda: confirm_what_can_be_sent())
    window = sync_table(chosen, None, lambda synced: None, time.clock)
    assert Outbox.objects.filter(error="refused").count() >= 25
    with pytest.raises(SyncStalled, match="30 rows wait for it"):
        wait_until_confirmed(window, lambda synced: None, time.clock)


def confirm_what_can_be_sent() -> None:
    """The first thirty authors cannot be told; a replica confirms all others."""
    refused = [str(pk) for pk in Author.objects.order_by("pk").values_list("pk", flat=True)[:30]]
    Outbox.objects.filter(pk_text__in=refused).update(error="refused")
    Outbox.objects.filter(error="").delete()


def test_what_others_have_in_the_outbox_is_not_waited_for(wish):
    chosen = wish(15)
    for author in Author.objects.all():
        author.save()
    sync_table(chosen, None, lambda synced: None, Time().clock)
    assert Outbox.objects.filter(signal_type="SYNC").count() == 15


def test_at_once_waits_for_nobody(wish):
    sync_table(wish(100, at_once=True), None, lambda synced: None, Time().clock)
    assert Outbox.objects.count() == 100


def test_a_rate_is_kept_to_the_second(wish):
    time = Time()
    sizes: list[int] = []
    sync_table(
        wish(100, at_once=True, rows_per_second=20), None, lambda synced: sizes.append(synced.captured), time.clock
    )
    assert time.seconds == pytest.approx(100 / 20) and max(sizes) == 20


def test_a_rate_below_one_row_a_second_sends_row_by_row(uncommitted):
    time = Time()
    rate = Rate(0.5, time.clock)
    assert rate.at_most(100) == 1
    rate.spend(1)
    assert time.seconds == 2
