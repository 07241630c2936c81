"""What projects do with models beside saving them: receivers that save again, copies, caches, admin pages."""

import copy
import pickle

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from tests.app.masters import Remark
from tests.app.models import Author
from tests.capture.conftest import captured, previous_values, stored_revision


@pytest.fixture
def receive():
    """Connects a receiver of a signal of authors for one test."""
    connected = []

    def connect(signal, receiver):
        signal.connect(receiver, sender=Author)
        connected.append((signal, receiver))

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver, sender=Author)


def test_a_receiver_that_saves_again_is_captured_and_hides_no_previous_value(uncommitted, receive):
    def save_again(instance, created, **_):
        if created:
            instance.name = "Bea"
            instance.save()

    receive(post_save, save_again)
    author = Author.objects.create(name="Ann")
    assert captured() == [("SAVE", "author", str(author.pk), 1)] * 2 and stored_revision(author) == 1
    assert author.cqrs_revision == 1 and previous_values()[1] == author.get_tracked_fields_data() == {"name": None}
    drain_all(uncommitted)
    (told,) = testing.sent_messages("replica")
    assert told["instance_data"]["name"] == "Bea" and told["previous_data"] == {"name": None}


def test_a_receiver_that_saves_before_the_save_leaves_it_its_own_previous_values(uncommitted, receive):
    author = Author.objects.create(name="Ann")

    def save_first(instance, **_):
        pre_save.disconnect(save_first, sender=Author)
        instance.save(update_fields=["born"], update_cqrs_fields=True)

    receive(pre_save, save_first)
    author.name = "Bea"
    author.save()
    assert previous_values()[1:] == [{}, {"name": "Ann"}]


def test_a_receiver_may_ask_for_the_previous_values(uncommitted, receive):
    told = []
    author = Author.objects.create(name="Ann")
    receive(post_save, lambda instance, **_: told.append(instance.get_tracked_fields_data()))
    author.name = "Bea"
    author.save()
    assert told == [{"name": "Ann"}]


def test_what_a_receiver_changes_before_the_save_is_told_with_what_it_held(uncommitted, receive):
    told = []

    def capitalize(instance, **_):
        told.append(instance.get_tracked_fields_data())
        instance.name = instance.name.upper()

    rival = Author.objects.create(name="bea")
    author = Author.objects.create(name="ann", rival=rival)
    receive(pre_save, capitalize)
    author.rival = None
    author.save()
    Author(name="cid").save()
    assert previous_values()[2:] == [{"name": "ann", "rival": rival.pk}, {"name": None}]
    assert told == [{"rival": rival.pk}, {"name": None}]


def test_a_pickled_instance_is_captured_as_if_it_had_never_been_away(uncommitted):
    author = pickle.loads(pickle.dumps(Author.objects.create(name="Ann")))
    author.name = "Bea"
    author.save()
    assert captured()[1] == ("SAVE", "author", str(author.pk), 1) and previous_values()[1] == {"name": "Ann"}


def test_a_deep_copy_is_tracked_apart_from_its_original(uncommitted):
    author = Author.objects.create(name="Ann")
    twin = copy.deepcopy(author)
    twin.pk, twin._state.adding, twin.name = None, True, "Bea"
    twin.save()
    author.save()
    assert previous_values() == [{"name": None}, {"name": None}, {}]


def test_saves_are_counted_within_a_transaction_only(uncommitted):
    author = Author(name="Ann")
    counts = []
    with transaction.atomic(using=uncommitted):
        for _ in range(3):
            author.save()
            counts.append((author.cqrs_saves_count, author.is_initial_cqrs_save))
    assert counts == [(1, True), (2, False), (3, False)]
    author.reset_cqrs_saves_count()
    assert (author.cqrs_saves_count, author.is_initial_cqrs_save) == (0, True)


def test_an_expression_is_resolved_in_what_an_instance_tells(uncommitted):
    remark = Remark.objects.create(rank=1)
    remark.rank = F("rank") + 1
    remark.save()
    assert remark.to_cqrs_dict()["rank"] == 2 and isinstance(remark.cqrs_revision, int)


def test_edits_in_the_admin_are_captured(uncommitted):
    admin = ModelAdmin(Author, AdminSite())
    author = Author(name="Ann")
    admin.save_model(None, author, None, change=False)
    admin.save_model(None, author, None, change=True)
    other = Author.objects.create(name="Bea")
    admin.delete_model(None, author)
    admin.delete_queryset(None, Author.objects.all())
    assert [kind for kind, *_ in captured()] == ["SAVE", "SAVE", "SAVE", "DELETE", "DELETE"] and other.pk


def test_a_row_forced_to_be_inserted_or_updated_is_captured(uncommitted):
    author = Author(pk=7, name="Ann")
    author.save(force_insert=True)
    author.save(force_update=True)
    assert captured() == [("SAVE", "author", "7", 0), ("SAVE", "author", "7", 1)]


def test_a_row_saved_over_an_existing_key_is_captured_as_an_update(uncommitted):
    Author.objects.create(pk=7, name="Ann")
    Author(pk=7, name="Bea").save()
    assert captured()[1] == ("SAVE", "author", "7", 1)
