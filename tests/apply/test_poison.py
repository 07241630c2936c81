"""One bad message among a hundred: the others are applied, it is a letter, on every database."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter, Tombstone
from tests.app.models import AuthorRef, BoxRef, ProductRef, RecipeDocument
from tests.receive.wire import author, confirmed, deletion, deliver, message, product, recipe

pytestmark = pytest.mark.usefixtures("each_path")

HUNDRED = range(1, 101)
SHELF = "c0ffee00-0000-4000-8000-000000000000"


def assert_only_one_failed(model, state):
    """99 rows are there; one message, the fiftieth, is a letter; all hundred are confirmed."""
    assert model.objects.count() == 99
    kept = Letter.objects.get()
    assert kept.state == state
    assert len(confirmed()) == 100
    return kept


def test_an_exploding_hook_harms_no_neighbour(database):
    deliver(*(recipe(pk, title="explode" if pk == 50 else "soup") for pk in HUNDRED))
    kept = assert_only_one_failed(RecipeDocument, Letter.RETRYING)
    assert (kept.pk_text, kept.reason) == ("50", "RuntimeError: the oven is on fire")


def test_a_child_without_its_parent_harms_no_neighbour(database):
    deliver(*(author(pk, rival=999 if pk == 50 else None) for pk in HUNDRED))
    kept = assert_only_one_failed(AuthorRef, Letter.WAITING)
    assert (kept.pk_text, kept.reason) == ("50", "author '999' is not here (field rival)")


def test_an_update_to_a_parent_that_is_missing_leaves_the_row_as_it_was(database):
    deliver(author(1), author(2))
    deliver(author(1, 1, rival=999), author(2, 1))
    rows = AuthorRef.objects.order_by("pk").values_list("cqrs_revision", "rival_id")
    assert list(rows) == [(0, None), (1, None)]
    assert Letter.objects.get().pk_text == "1"


def test_a_parent_that_is_still_referred_to_is_not_deleted_and_harms_no_neighbour(database):
    deliver(author(1), author(2, rival=1), author(3))
    deliver(deletion("author", 1, 1), deletion("author", 3, 1))
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 2}
    assert Letter.objects.get().signal_type == "DELETE"
    assert Tombstone.objects.get(side="replica").pk_text == "3"


def test_a_value_that_is_too_long_harms_no_neighbour(server):
    """SQLite takes texts of any length."""
    deliver(*(author(pk, name="x" * (51 if pk == 50 else 50)) for pk in HUNDRED))
    kept = assert_only_one_failed(AuthorRef, Letter.DEAD)
    assert "x" * 10 not in kept.reason


def test_values_that_the_database_cannot_hold_harm_no_neighbour(database):
    impossible = [{"name": "a\x00b"}, {"name": "\ud800"}, {"rival": 2**63}, {"rival": 10**30}, {"cqrs_revision": 2**62}]
    deliver(author(1), *(author(pk, **values) for pk, values in enumerate(impossible, start=2)), author(9))
    rows = set(AuthorRef.objects.values_list("pk", flat=True))
    assert {1, 9} <= rows
    assert len(rows) + Letter.objects.count() == len(confirmed()) == 7


def test_text_keys_that_the_database_cannot_hold_harm_no_neighbour(database):
    impossible = ["a\x00b", "\ud800", "x" * 21, "x" * 300, "🦉" * 100]
    deliver(product("a"), *(product(key) for key in impossible), product("b"))
    rows = set(ProductRef.objects.values_list("code", flat=True))
    assert {"a", "b"} <= rows
    assert len(rows) + Letter.objects.count() == len(confirmed()) == 7


def test_numbers_that_are_no_keys_harm_no_neighbour(database):
    deliver(author(1), author(2**63), deletion("author", -(10**30), 1), author(10**30), author(2))
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 2}


@pytest.mark.parametrize("signal_type", ["SAVE", "DELETE", "SYNC"])
@pytest.mark.django_db
def test_a_key_that_cannot_be_read_is_a_dead_letter(signal_type):
    deliver(author(1), {**message("author", "one", name="Ann"), "signal_type": signal_type}, author(2))
    assert AuthorRef.objects.count() == 2
    assert Letter.objects.get(state=Letter.DEAD).pk_text == "one"


@pytest.mark.django_db
def test_missing_data_are_a_dead_letter_that_names_them():
    deliver(author(1), message("author", 2), author(3))
    assert AuthorRef.objects.count() == 2
    assert "name" in Letter.objects.get(state=Letter.DEAD).reason


def test_many_kinds_of_poison_in_one_batch_are_told_apart(database):
    deliver(
        recipe(1, title="explode"),
        recipe(2),
        author(1, rival=999),
        author(2),
        message("author", 3),
        message("unicorn", 1),
        None,
        message("box", 1, shelf=SHELF, label="no shelf"),
    )
    assert Letter.objects.count() == 6
    assert (RecipeDocument.objects.count(), AuthorRef.objects.count(), BoxRef.objects.count()) == (1, 1, 0)


def test_a_batch_of_nothing_but_poison_is_all_letters(database):
    deliver(*(author(pk, rival=999) for pk in range(1, 8)))
    assert Letter.objects.filter(state=Letter.WAITING).count() == 7
    assert len(confirmed()) == 7


@pytest.mark.parametrize("retries", [2**31 - 2, 2**31 - 1, 2**63, 10**30, -5])
@pytest.mark.django_db(transaction=True)
def test_a_failure_with_an_absurd_count_of_retries_harms_no_neighbour(retries):
    deliver(author(1), {**message("author", 2), "retries": retries}, {**author(3, rival=999), "retries": retries})
    assert AuthorRef.objects.filter(pk=1).exists()
    assert Letter.objects.count() == 2


def test_unreadable_keys_in_the_envelope_alone_harm_nobody(database):
    keys = ["é" * 300, "\x00", "\ud800"]
    deliver(author(1), *({**message("author", 2), "instance_pk": key} for key in keys), author(3))
    assert AuthorRef.objects.count() == 2
    assert Letter.objects.count() == 3
