"""Captured if and only if committed: transactions, savepoints, and what instances remember of them."""

import pytest
from django.db import transaction
from django.db.models.signals import post_save

from celery_cqrs import testing
from celery_cqrs.models import Outbox
from tests.app.models import Author, AuthorRef
from tests.capture.conftest import captured, carry_to_replica, forget_captured, stored_revision


@pytest.fixture
def author(uncommitted):
    made = Author.objects.create(name="Ann")
    forget_captured()
    return made


def save_as(author, name):
    author.name = name
    author.save()


def test_a_rolled_back_transaction_captures_and_sends_nothing(database):
    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        Author.cqrs.bulk_create([Author(name="Bea")])
        transaction.set_rollback(True, using=database)
    assert captured() == [] and testing.sent_messages("replica") == []


def test_a_transaction_that_raises_captures_and_sends_nothing(database):
    def fail():
        with transaction.atomic(using=database):
            Author.objects.create(name="Ann")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert captured() == [] and testing.sent_messages("replica") == []


def test_a_rolled_back_savepoint_drops_exactly_its_own_changes(database):
    with transaction.atomic(using=database):
        Author.objects.create(name="before")
        with transaction.atomic(using=database):
            Author.objects.create(name="inside")
            transaction.set_rollback(True, using=database)
        Author.objects.create(name="after")
    testing.deliver()
    assert sorted(AuthorRef.objects.values_list("name", flat=True)) == ["after", "before"]


def test_a_savepoint_rolled_back_by_hand_drops_its_changes(author, uncommitted):
    point = transaction.savepoint(using=uncommitted)
    save_as(author, "Bea")
    transaction.savepoint_rollback(point, using=uncommitted)
    assert captured() == []


def test_what_is_captured_only_in_the_outer_transaction_is_sent_after_a_rolled_back_savepoint(database):
    with transaction.atomic(using=database):
        with transaction.atomic(using=database):
            Author.objects.create(name="inside")
            transaction.set_rollback(True, using=database)
        Author.objects.create(name="after")
    assert [message["instance_data"]["name"] for message in testing.sent_messages("replica")] == ["after"]


def test_what_was_captured_before_a_rolled_back_savepoint_is_sent(database):
    with transaction.atomic(using=database):
        Author.objects.create(name="before")
        with transaction.atomic(using=database):
            Author.objects.create(name="inside")
            transaction.set_rollback(True, using=database)
    assert [message["instance_data"]["name"] for message in testing.sent_messages("replica")] == ["before"]


def test_an_instance_saved_again_after_its_savepoint_was_rolled_back_is_captured(author, uncommitted):
    save_as(author, "first")
    with transaction.atomic(using=uncommitted):
        save_as(author, "lost")
        transaction.set_rollback(True, using=uncommitted)
    save_as(author, "last")
    assert [row[3] for row in captured()] == [1, 2]
    assert author.cqrs_revision == stored_revision(author) == 2


def test_the_last_state_travels_after_a_rolled_back_savepoint(author, uncommitted):
    carry_to_replica(uncommitted)
    with transaction.atomic(using=uncommitted):
        save_as(author, "lost")
        transaction.set_rollback(True, using=uncommitted)
    save_as(author, "last")
    carry_to_replica(uncommitted)
    assert AuthorRef.objects.get().name == "last"


def test_an_instance_saved_again_after_its_transaction_was_rolled_back_is_captured(database):
    author = Author.objects.create(name="Ann")
    with transaction.atomic(using=database):
        save_as(author, "lost")
        transaction.set_rollback(True, using=database)
    save_as(author, "last")
    testing.deliver()
    assert AuthorRef.objects.get().name == "last"
    assert author.cqrs_revision == stored_revision(author) == AuthorRef.objects.get().cqrs_revision == 1


def test_a_creation_repeated_after_a_rollback_is_captured(uncommitted):
    author = Author(name="Ann")
    with transaction.atomic(using=uncommitted):
        author.save()
        transaction.set_rollback(True, using=uncommitted)
    author.save()
    assert captured() == [("SAVE", "author", str(author.pk), stored_revision(author))]


def test_a_deletion_rolled_back_lets_the_row_go_on_as_before(author, uncommitted):
    key = author.pk
    with transaction.atomic(using=uncommitted):
        author.delete()
        transaction.set_rollback(True, using=uncommitted)
    save_as(Author.objects.get(pk=key), "Bea")
    assert captured() == [("SAVE", "author", str(key), 1)]


def test_an_error_of_a_receiver_undoes_the_save_and_its_capture(database):
    def refuse(**_):
        raise RuntimeError("not today")

    post_save.connect(refuse, sender=Author)
    try:
        with pytest.raises(RuntimeError, match="not today"):
            Author.objects.create(name="Ann")
    finally:
        post_save.disconnect(refuse, sender=Author)
    assert captured() == [] and not Author.objects.exists()


def test_a_change_and_its_outbox_row_are_committed_together(database, elsewhere):
    def look():
        return Author.objects.count(), Outbox.objects.count()

    with transaction.atomic(using=database):
        Author.objects.create(name="Ann")
        assert elsewhere(look).result() == (0, 0)
    assert elsewhere(look).result() == (1, 1)


def test_a_rolled_back_save_count_can_be_reset_by_hand(author, uncommitted):
    author.save()
    author.reset_cqrs_saves_count()
    assert author.cqrs_saves_count == 0
