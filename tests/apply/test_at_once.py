"""On PostgreSQL what is alike and goes well is written by one statement; all else ends as it always did."""

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs import signals
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Dead, Reason, Skipped
from celery_cqrs.replica.receive import receive
from tests.app.models import AuthorRef, CharterRef, ProductRef, ShelfRef
from tests.conftest import each_database
from tests.receive.wire import author, batch, confirmed, deletion, deliver, message, product

pytestmark = pytest.mark.parametrize("database", each_database(commits=True)[1:2], indirect=True)
MANY = range(1, 501)
SHELF = "00000000-0000-4000-8000-00000000000a"


def statements(using, *messages):
    """The statements that it takes to receive ``messages``, but for the limits of the transaction."""
    with CaptureQueriesContext(connections[using]) as captured:
        deliver(*messages)
    return [query["sql"] for query in captured if query["sql"] not in ("BEGIN", "COMMIT")]


@pytest.fixture
def heard():
    """What was told of applied messages, without looking at them."""
    told = []

    def listen(messages, **_):
        told.append(messages)

    signals.applied.connect(listen)
    yield told
    signals.applied.disconnect(listen)


@pytest.fixture
def chosen():
    """Which way was taken, and why: in bulk or not, with the reason."""
    told = []

    def listen(bulk, reason, **_):
        told.append((bulk, reason))

    signals.path_chosen.connect(listen)
    yield told
    signals.path_chosen.disconnect(listen)


def test_five_hundred_rows_are_judged_and_written_by_one_statement(database):
    for revision in (0, 1):
        lock, write, *others = statements(database, *(author(pk, revision) for pk in MANY))
        assert "pg_advisory_xact_lock_shared" in lock and "INSERT INTO" in write
        assert len(others) <= 1, others  # who waited for these rows
    assert AuthorRef.objects.filter(cqrs_revision=1).count() == 500 and len(set(confirmed())) == 1000


def test_keys_that_are_texts_and_uuids_go_so_too(database):
    assert len(statements(database, product("a"), product("b"))) == 2
    assert len(statements(database, message("shelf", SHELF, label="top"))) <= 3
    assert ProductRef.objects.count() == 2 and str(ShelfRef.objects.get().pk) == SHELF


def test_a_uuid_in_another_spelling_takes_the_longer_way_to_the_same_row(database):
    deliver(message("shelf", SHELF, label="top"))
    assert deliver(message("shelf", SHELF.upper(), 1, label="bottom")) == [Applied()]
    assert ShelfRef.objects.get().label == "bottom"


def test_what_was_not_written_ends_as_it_should(database):
    deliver(author(1, 5), author(2, 5), author(3, 5), author(9, 1))
    deliver(deletion("author", 9, 7))
    ends = deliver(author(1, 4), author(2, 5), author(3, 6), author(4, 0), author(9, 7))
    skipped = [Skipped(Reason.WRONG_ORDER), Skipped(Reason.DUPLICATE), Skipped(Reason.DELETED)]
    assert ends == [*skipped[:2], Applied(), Applied(), skipped[2]]
    assert dict(AuthorRef.objects.values_list("pk", "cqrs_revision")) == {1: 5, 2: 5, 3: 6, 4: 0}


def test_a_sync_is_written_at_the_same_revision_and_at_that_of_a_tombstone(database):
    deliver(author(1, 5), author(2, 5))
    deliver(deletion("author", 2, 7))
    ends = deliver(*(author(pk, revision, "SYNC", name="anew") for pk, revision in ((1, 5), (2, 7), (3, 0))))
    assert ends == [Applied()] * 3 and AuthorRef.objects.filter(name="anew").count() == 3
    assert deliver(author(2, 6, "SYNC")) == [Skipped(Reason.DELETED)]
    assert Tombstone.objects.get().revision == 7


def test_a_gap_between_revisions_is_told(database):
    gaps = []

    def listen(message, count, **_):
        gaps.append((message.pk, count))

    signals.gap_found.connect(listen)
    try:
        deliver(author(1, 1), author(2, 1), author(3, 9))
        deliver(author(1, 2), author(2, 5), author(4, 3))
    finally:
        signals.gap_found.disconnect(listen)
    assert gaps == [(2, 3)]


def test_an_applied_message_takes_the_letter_of_its_key_away_and_no_other(database):
    assert isinstance(deliver(author(1, 3, name=None), author(2, 3, name=None))[0], Dead)
    deliver(author(1, 4), author(3, 0))
    assert Letter.objects.get().pk_text == "2"


def test_one_bad_message_sends_all_the_longer_way_and_harms_none(database):
    ends = deliver(*(author(pk, name=None if pk == 321 else "Ann") for pk in MANY))
    assert [type(end) for end in ends].count(Applied) == 499
    assert AuthorRef.objects.count() == 499 and Letter.objects.get().pk_text == "321"


def test_two_messages_of_one_key_end_in_the_order_of_their_revisions(database):
    deliver(author(1, 2, name="new"), author(1, 1, name="old"))
    assert AuthorRef.objects.get().name == "new"


def test_messages_are_told_without_being_decoded(database, heard):
    list(receive(batch(author(1), author(2))))
    (messages,) = heard
    assert len(messages) == 2 and messages[1].instance_data["name"] == "name at 0"


def test_a_model_that_somebody_listens_to_is_written_row_by_row(database):
    from django.db.models.signals import post_save

    saved = []

    def listen(instance, **_):
        saved.append(instance.pk)

    post_save.connect(listen, sender=AuthorRef)
    try:
        deliver(author(1), author(2))
    finally:
        post_save.disconnect(listen, sender=AuthorRef)
    assert saved == [1, 2]


def test_a_text_that_is_too_long_is_found_before_the_database_refuses_it(database, chosen):
    ends = deliver(author(1), author(2, name="x" * 51), author(3))
    assert [type(end) for end in ends] == [Applied, Dead, Applied]
    assert not any("DataError" in reason for _, reason in chosen)


def test_why_the_fastest_way_failed_is_told(database, chosen):
    deliver(author(1, name=None), author(2))
    assert chosen[0] == (True, "not at once: MappingFailed")


def test_a_column_that_the_database_makes_does_not_slow_the_others_down(database, chosen):
    deliver(*(message("charter", pk, label="abc", tree={}, r=0) for pk in (1, 2)))
    assert chosen == [(True, "")]


def test_an_address_is_shortened_as_its_field_says(database):
    deliver(message("charter", 1, label="", tree={}, r=0, origin="::ffff:10.0.0.1"))
    assert CharterRef.objects.get().origin == "10.0.0.1"
