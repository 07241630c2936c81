"""Letters: the memory of failures, one per key, the newest wins."""

from __future__ import annotations

import pytest
from django.utils import timezone

from celery_cqrs.models import Letter
from celery_cqrs.outcome import Applied, Dead, Retry
from celery_cqrs.replica import receive, retry
from celery_cqrs.tasks import retry_letters
from tests.app.models import AuthorRef
from tests.receive.wire import author, confirmed, deletion, deliver, message, retry_now
from tests.settle.replicas import Failing


def failing(pk=1, revision=0, **keys):
    return {**message("failing", pk, revision, name=f"name at {revision}"), **keys}


def mend():
    Failing.broken = False


def test_the_first_failure_is_a_letter_that_waits_and_is_confirmed(database):
    before = timezone.now()
    (ending,) = deliver(failing(1, 3))
    after = timezone.now()
    kept = Letter.objects.get()
    assert isinstance(ending, Retry)
    assert (kept.queue, kept.cqrs_id, kept.pk_text, kept.signal_type) == ("replica", "failing", "1", "SAVE")
    assert (kept.state, kept.attempts, kept.revision) == (Letter.RETRYING, 1, 3)
    assert (kept.not_before - before).total_seconds() >= 1.7
    assert (kept.not_before - after).total_seconds() <= 5
    assert kept.reason == ending.reason == "RuntimeError: not today"
    assert confirmed() == [103]


def test_a_letter_keeps_the_whole_message(database):
    extra = {"previous_data": {"name": "🦉"}, "meta": {"user": 5}, "correlation_id": "c", "captured_at": None}
    wire = failing(1, 3, **extra, expires="2126-01-01T00:00:00+00:00")
    deliver(wire)
    payload = Letter.objects.get().payload
    assert {key: payload[key] for key in wire} == wire


def test_a_mended_failure_is_applied_by_the_retry_and_its_letter_gone(database):
    deliver(failing(1, 3))
    mend()
    assert retry_now() == 1
    assert AuthorRef.objects.get().name == "name at 3"
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_every_failed_try_is_counted():
    deliver(failing())
    for attempts in (2, 3, 4):
        retry_now()
        assert Letter.objects.get().attempts == attempts
    assert Failing.tries == 4


@pytest.mark.usefixtures("sqlite")
def test_a_retry_confirms_nothing_again():
    deliver(failing())
    mend()
    retry_now()
    assert confirmed() == [100]


@pytest.mark.usefixtures("sqlite")
def test_a_letter_whose_time_has_not_come_is_left_alone():
    deliver(failing())
    mend()
    retry_letters()
    assert Letter.objects.count() == 1


@pytest.mark.usefixtures("sqlite")
def test_the_time_to_live_of_a_message_does_not_end_its_letter():
    deliver(failing(expires="2126-01-01T00:00:00+00:00"))
    kept = Letter.objects.get()
    kept.payload = {**kept.payload, "expires": "2020-01-01T00:00:00+00:00"}
    kept.save()
    mend()
    retry_now()
    assert AuthorRef.objects.count() == 1


@pytest.mark.parametrize("newer", [failing(1, 4), deletion("failing", 1, 4)], ids=["save", "delete"])
def test_a_newer_message_that_is_applied_takes_the_letter_away(database, newer):
    deliver(failing(1, 3))
    mend()
    assert deliver(newer) == [Applied()]
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_a_message_that_finds_the_row_newer_takes_the_letter_away():
    deliver(failing(1, 3))
    mend()
    AuthorRef.objects.create(id=1, name="by hand", cqrs_revision=9, cqrs_updated=timezone.now())
    deliver(failing(1, 4))
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_an_older_message_that_is_applied_leaves_the_letter_of_a_newer_one():
    deliver(author(1, 3, name="x", rival=999))
    assert deliver(author(1, 2)) == [Applied()]
    assert Letter.objects.get().revision == 3
    AuthorRef.objects.create(id=999, name="rival", cqrs_revision=0, cqrs_updated=timezone.now())
    retry_now()
    assert AuthorRef.objects.get(pk=1).cqrs_revision == 3


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_an_older_failure_never_writes_over_the_letter_of_a_newer_one(together):
    if together:
        deliver(failing(1, 5), failing(1, 4))
    else:
        deliver(failing(1, 5))
        deliver(failing(1, 4))
    assert Letter.objects.get().revision == 5
    assert set(confirmed()) == {104, 105}


@pytest.mark.usefixtures("sqlite")
def test_a_newer_failure_takes_the_place_of_an_older_one_and_begins_anew():
    deliver(failing(1, 4))
    retry_now()
    deliver(failing(1, 5))
    kept = Letter.objects.get()
    assert (kept.revision, kept.attempts, kept.payload["instance_data"]["name"]) == (5, 1, "name at 5")


@pytest.mark.usefixtures("sqlite")
def test_a_duplicate_of_a_failed_message_does_not_get_a_budget_of_its_own():
    deliver(failing())
    for _ in range(4):
        retry_now()
    deliver(failing())
    assert Letter.objects.get().attempts >= 5


@pytest.mark.usefixtures("sqlite")
def test_a_duplicate_of_a_dead_message_leaves_it_dead(configure):
    configure(replica={"CQRS_MAX_RETRIES": 1})
    deliver(failing())
    retry_now()
    assert Letter.objects.get().state == Letter.DEAD
    deliver(failing())
    assert Letter.objects.get().state == Letter.DEAD


@pytest.mark.usefixtures("sqlite")
def test_a_duplicate_of_an_applied_save_leaves_the_letter_of_a_later_sync_alone():
    mend()
    deliver(author(1, 3))
    deliver({**author(1, 3, rival=999), "signal_type": "SYNC"})
    deliver(author(1, 3))
    assert Letter.objects.get().signal_type == "SYNC"


@pytest.mark.usefixtures("sqlite")
def test_a_failed_delete_waits_and_is_done_by_the_retry():
    deliver(author(1), author(2, rival=1))
    deliver(deletion("author", 1, 1))
    assert Letter.objects.get().signal_type == "DELETE"
    deliver(author(2, 1))
    retry_now()
    assert list(AuthorRef.objects.values_list("pk", flat=True)) == [2]


@pytest.mark.usefixtures("sqlite")
def test_a_save_that_failed_before_a_delete_does_not_come_back_after_it():
    deliver(failing(1, 3))
    kept = Letter.objects.get()
    deliver(deletion("failing", 1, 4))
    kept.pk = None
    kept.save(force_insert=True)
    mend()
    retry_now()
    assert not AuthorRef.objects.exists()
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_the_letters_of_another_service_in_the_same_database_are_its_own(configure):
    deliver(failing())
    configure(queue="neighbour")
    mend()
    assert retry_now() == 0
    deliver(failing(1, 5))
    assert Letter.objects.get().queue == "replica"


@pytest.mark.usefixtures("sqlite")
def test_a_letter_that_can_no_longer_be_read_dies_and_harms_no_neighbour():
    deliver(failing(1), failing(2))
    Letter.objects.filter(pk_text="1").update(payload={"cqrs_id": "failing", "instance_pk": 1, "signal_type": "?"})
    mend()
    retry_now()
    assert AuthorRef.objects.get().pk == 2
    assert Letter.objects.get().state == Letter.DEAD


@pytest.mark.usefixtures("sqlite")
def test_a_letter_whose_model_has_gone_is_a_dead_letter_that_says_so():
    deliver(failing())
    Letter.objects.update(payload={**Letter.objects.get().payload, "cqrs_id": "unicorn"})
    retry_now()
    assert "'unicorn'" in Letter.objects.get(cqrs_id="unicorn", state=Letter.DEAD).reason


@pytest.mark.usefixtures("sqlite")
def test_a_reason_says_what_went_wrong_and_quotes_no_row():
    (ending,) = deliver(author(1, name="secret", rival=999))
    assert "secret" not in ending.reason
    assert isinstance(deliver(message("author", 2))[0], Dead)


@pytest.mark.usefixtures("sqlite")
def test_as_many_letters_are_tried_as_one_task_may():
    deliver(*(failing(pk) for pk in range(1, 6)))
    mend()
    Letter.objects.update(not_before=timezone.now())
    assert retry.retry_due(receive.apply_to_model, limit=3) == 3
    assert Letter.objects.count() == 2
