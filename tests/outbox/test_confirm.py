"""A confirmation takes the rows of its queue away, and is evidence that the queue is alive."""

from datetime import timedelta

import pytest
from django.utils import timezone

from celery_cqrs import signals
from celery_cqrs.exceptions import MessageRefused
from celery_cqrs.master import outbox
from celery_cqrs.master.confirm import confirm
from celery_cqrs.models import Destination, Outbox
from tests.harness.claims import claim
from tests.outbox.conftest import put

STAMP = timezone.now().replace(microsecond=123456) - timedelta(hours=1)


def confirmation(alias, *row_ids, queue="shop", stamp=STAMP):
    return {"v": 1, "queue": queue, "batches": [receipt(alias, *row_ids, stamp=stamp)]}


def receipt(alias, *row_ids, stamp=STAMP):
    return {"outbox": alias, "sent_at": stamp.isoformat(), "outbox_ids": list(row_ids)}


def left():
    return list(Outbox.objects.order_by("id").values_list("id", flat=True))


@pytest.fixture
def sent(uncommitted):
    """Three rows for shop that were captured before the stamp, and sent."""
    for pk in range(3):
        put(pk, seconds=-7_200)
    return [row.id for row in claim(uncommitted, 10)]


def test_confirmed_rows_are_gone_and_others_stay(sent, uncommitted):
    assert confirm(confirmation(uncommitted, *sent[:2])) == 2
    assert left() == sent[2:]


def test_a_second_confirmation_of_the_same_rows_finds_nothing(sent, uncommitted):
    confirm(confirmation(uncommitted, *sent))
    assert confirm(confirmation(uncommitted, *sent)) == 0


def test_a_queue_confirms_its_own_rows_only(sent, uncommitted):
    other = put(1, queue="search", seconds=-7_200)
    assert confirm(confirmation(uncommitted, *sent, other.id, queue="search")) == 1
    assert left() == sent


def test_a_queue_that_we_never_wrote_to_confirms_nothing(sent, uncommitted):
    assert confirm(confirmation(uncommitted, *sent, queue="stranger")) == 0
    assert left() == sent


def test_ids_that_never_were_are_ignored(sent, uncommitted):
    assert confirm(confirmation(uncommitted, sent[0], 2**62)) == 1


def test_a_row_captured_after_the_stamp_was_not_in_that_batch_and_stays(uncommitted):
    younger = put(seconds=-60)
    assert confirm(confirmation(uncommitted, younger.id)) == 0 and left() == [younger.id]


def test_what_a_claim_has_taken_is_confirmed_by_the_stamp_of_that_claim(uncommitted):
    put(1)
    put(1)
    claimed = claim(uncommitted, 10)
    assert confirm(confirmation(uncommitted, *(row.id for row in claimed), stamp=outbox.stamp_of(claimed))) == 2


def test_a_row_that_is_pending_again_is_taken_away_by_its_late_confirmation(sent, uncommitted):
    Outbox.objects.update(sent_at=None)
    confirm(confirmation(uncommitted, *sent))
    assert left() == []


def test_many_batches_come_in_one_confirmation(sent, uncommitted):
    payload = {"v": 1, "queue": "shop", "batches": [receipt(uncommitted, sent[0]), receipt(uncommitted, sent[2])]}
    assert confirm(payload) == 2 and left() == [sent[1]]


def test_more_ids_than_a_statement_takes_are_confirmed_at_once(uncommitted):
    row = put(seconds=-7_200)
    ids = [*range(row.id + 1, row.id + 12_001), row.id]
    assert confirm(confirmation(uncommitted, *ids)) == 1


def test_an_unknown_database_is_refused_with_its_name(sent):
    with pytest.raises(MessageRefused, match="'nowhere', which is not in DATABASES"):
        confirm(confirmation("nowhere", *sent))


def test_a_confirmation_that_names_an_unknown_database_confirms_nothing_at_all(sent, uncommitted):
    payload = {"v": 1, "queue": "shop", "batches": [receipt(uncommitted, *sent), receipt("nowhere", *sent)]}
    with pytest.raises(MessageRefused):
        confirm(payload)
    assert left() == sent


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"v": 2, "queue": "shop", "batches": []},
        {"v": 1, "batches": []},
        {"v": 1, "queue": "shop"},
        {"v": 1, "queue": "shop", "batches": ["x"]},
        {"v": 1, "queue": "shop", "batches": [{"outbox": "default", "sent_at": "yesterday", "outbox_ids": [1]}]},
        {"v": 1, "queue": "shop", "batches": [{"outbox": "default", "sent_at": "2026-05-04", "outbox_ids": ["1"]}]},
    ],
)
def test_a_confirmation_that_cannot_be_read_is_refused_with_a_sentence(payload):
    with pytest.raises(MessageRefused, match=r"\w+ \w+"):
        confirm(payload)


def test_a_confirmation_notes_the_stamp_that_it_echoes_and_its_own_moment(sent, uncommitted):
    before = timezone.now() - timedelta(seconds=2)
    confirm(confirmation(uncommitted, *sent))
    known = Destination.objects.get(queue="shop")
    assert known.confirmed_stamp == STAMP
    assert before < known.confirmed_at < timezone.now() + timedelta(seconds=2)


def test_confirmations_out_of_order_leave_the_newest_stamp(sent, uncommitted):
    for seconds, row_id in zip((0, 60, 30), sent, strict=True):
        confirm(confirmation(uncommitted, row_id, stamp=STAMP + timedelta(seconds=seconds)))
    assert Destination.objects.get(queue="shop").confirmed_stamp == STAMP + timedelta(seconds=60)


def test_a_confirmation_ends_the_waiting_between_probes_and_the_rest_of_a_queue(sent, uncommitted):
    Destination.objects.create(queue="shop", probe_seconds=480, rests_until=timezone.now() + timedelta(seconds=60))
    confirm(confirmation(uncommitted, sent[0]))
    known = Destination.objects.get(queue="shop")
    assert known.probe_seconds is None and known.rests_until is None


def test_the_evidence_of_one_queue_says_nothing_of_another(sent, uncommitted):
    Destination.objects.create(queue="search")
    confirm(confirmation(uncommitted, *sent))
    assert Destination.objects.get(queue="search").confirmed_stamp is None


def test_a_confirmation_is_announced_with_the_number_of_rows_it_found(sent, uncommitted):
    heard = []

    def listen(queue, count, using, **_):
        heard.append((queue, count, using))

    signals.confirmed.connect(listen)
    try:
        confirm(confirmation(uncommitted, *sent))
        confirm(confirmation(uncommitted, *sent))
    finally:
        signals.confirmed.disconnect(listen)
    assert heard == [("shop", 3, uncommitted), ("shop", 0, uncommitted)]
