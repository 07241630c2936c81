"""Previous values of tracked fields, as they are captured."""

from django.db import transaction

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from tests.app.models import Author, Product
from tests.capture.conftest import captured, forget_captured, previous_values


def test_a_creation_tells_none_for_each_tracked_field_that_has_a_value(uncommitted):
    first = Author.objects.create(name="Ann")
    Author.objects.create(name="Bea", rival=first)
    assert previous_values() == [{"name": None}, {"name": None, "rival": None}]


def test_an_update_tells_the_values_before_it(uncommitted):
    author = Author.objects.create(name="Ann")
    for name in ("Bea", "Cea"):
        author.name = name
        author.save()
    assert previous_values()[1:] == [{"name": "Ann"}, {"name": "Bea"}]


def test_fields_that_are_not_tracked_are_not_told(uncommitted):
    author = Author.objects.create(name="Ann")
    author.born = "1900-01-01"
    author.save()
    assert previous_values()[1:] == [{}]


def test_a_foreign_key_is_told_by_the_name_of_its_field(uncommitted):
    first, second = Author.objects.create(name="Ann"), Author.objects.create(name="Bea")
    third = Author.objects.create(name="Cea", rival=first)
    third.rival = second
    third.save()
    assert previous_values()[-1] == {"rival": first.pk}


def test_a_row_loaded_in_part_tells_what_it_has_loaded(uncommitted):
    Author.objects.create(name="Ann")
    part = Author.objects.only("name").get()
    part.name = "Bea"
    part.save()
    assert previous_values()[-1] == {"name": "Ann"}


def test_a_tracked_field_that_was_not_loaded_does_not_break_the_save(uncommitted):
    author = Author.objects.create(name="Ann")
    part = Author.objects.only("born").get()
    part.born = "1900-01-01"
    part.save()
    assert captured()[-1] == ("SAVE", "author", str(author.pk), 1)


def test_chosen_fields_tell_their_previous_values_when_captured(uncommitted):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    author.save(update_fields=["name"], update_cqrs_fields=True)
    assert previous_values()[-1] == {"name": "Ann"}


def test_chosen_fields_tell_nothing_of_what_was_not_saved_with_them(uncommitted):
    author = Author.objects.create(name="Ann", rival=Author.objects.create(name="Bea"))
    forget_captured()
    author.name, author.rival = "Cea", None
    author.save(update_fields=["name"], update_cqrs_fields=True)
    author.save()
    assert [set(told) for told in previous_values()] == [{"name"}, {"rival"}]


def test_a_change_saved_uncaptured_is_told_no_more(uncommitted):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    author.save(update_fields=["name"])
    author.save()
    assert previous_values()[-1] == {}


def test_a_deletion_tells_no_previous_values(uncommitted):
    Author.objects.create(name="Ann").delete()
    assert previous_values()[-1] is None


def test_a_model_without_tracked_fields_tells_nothing(uncommitted):
    product = Product.objects.create(sku="a", title="x")
    product.title = "y"
    product.save()
    assert previous_values() == [None, None]
    assert product.get_tracked_fields_data() is None


def test_the_instance_tells_its_previous_values_after_a_save(uncommitted):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    author.save()
    assert author.get_tracked_fields_data() == {"name": "Ann"}


def test_many_saves_in_one_transaction_send_the_earliest_values(uncommitted):
    author = Author.objects.create(name="Ann")
    drain_all(uncommitted)
    forget_captured()
    rival = Author.objects.create(name="Zoe")
    with transaction.atomic(using=uncommitted):
        for name in ("Bea", "Cea"):
            author.name = name
            author.save()
        author.rival = rival
        author.save()
    drain_all(uncommitted)
    assert testing.sent_messages("replica")[-1]["previous_data"] == {"name": "Ann", "rival": None}
