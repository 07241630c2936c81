"""A row that cannot be serialized is set aside with its error; its neighbours are sent."""

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.master.drain import drain, drain_all
from celery_cqrs.models import Outbox
from tests.app.models import Author, Recipe
from tests.publish.conftest import let_pass, pending, sizes


def put(**values):
    """An outbox row as hands or older versions may have left it."""
    moment = timezone.now() - timezone.timedelta(seconds=1)
    facts = {"queue": "replica", "pk_text": "1", "signal_type": "SAVE", "captured_at": moment, "available_at": moment}
    return Outbox.objects.create(**{**facts, **values})


@pytest.fixture
def bad_recipe(uncommitted):
    """One recipe that cannot be serialized, in the midst of fifty that can."""
    recipes = Recipe.cqrs.bulk_create([Recipe(title=f"r{number}") for number in range(51)])
    Recipe.objects.filter(pk=recipes[20].pk).update(title="unserializable")
    return recipes[20]


def test_fifty_good_rows_are_sent_beside_a_bad_one(bad_recipe, uncommitted):
    drain_all(uncommitted)
    assert sum(sizes()) == 50
    assert bad_recipe.pk not in {message["instance_pk"] for message in testing.sent_messages("replica")}


def test_a_bad_row_waits_with_its_error(bad_recipe, uncommitted):
    drain_all(uncommitted)
    row = Outbox.objects.get(sent_at=None)
    assert row.pk_text == str(bad_recipe.pk) and row.available_at > timezone.now()
    assert row.error == f"Recipe {row.pk_text} cannot be serialized: RuntimeError: cannot be put into words"


def test_a_bad_row_is_announced_with_what_is_needed_to_find_it(bad_recipe, uncommitted, heard):
    drain_all(uncommitted)
    (told,) = heard["set_aside"]
    row = Outbox.objects.get(sent_at=None)
    assert (told["cqrs_id"], told["pk"], told["row_ids"]) == ("recipe", str(bad_recipe.pk), [row.id])


def test_a_bad_row_is_tried_less_and_less_often(bad_recipe, uncommitted):
    waits = []
    for _ in range(3):
        drain_all(uncommitted)
        row = Outbox.objects.get(sent_at=None)
        waits.append((row.available_at - timezone.now()).total_seconds())
        let_pass(waits[-1] + 1)
    assert waits == pytest.approx([10, 20, 40], abs=3)


def test_a_mended_row_is_sent_when_its_time_has_come(bad_recipe, uncommitted):
    drain_all(uncommitted)
    Recipe.objects.filter(pk=bad_recipe.pk).update(title="mended")
    let_pass(11)
    drain_all(uncommitted)
    assert testing.sent_messages("replica")[-1]["instance_data"]["title"] == "mended" and pending() == 0


def test_a_bad_row_does_not_hold_up_later_changes_of_others(bad_recipe, uncommitted):
    drain_all(uncommitted)
    Recipe.objects.create(title="later")
    drain_all(uncommitted)
    assert testing.sent_messages("replica")[-1]["instance_data"]["title"] == "later"


def test_a_bad_row_that_is_deleted_is_sent_as_deleted(bad_recipe, uncommitted):
    drain_all(uncommitted)
    key = bad_recipe.pk
    bad_recipe.delete()
    drain_all(uncommitted)
    last = testing.sent_messages("replica")[-1]
    assert (last["signal_type"], last["instance_pk"]) == ("DELETE", key) and pending() == 0


def test_rows_of_a_model_that_is_gone_are_set_aside_with_a_sentence(uncommitted):
    put(cqrs_id="extinct")
    put(cqrs_id="extinct", signal_type="DELETE", pk_text="2", revision=3)
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert sizes() == [1] and pending() == 2
    assert all("no master model has this CQRS_ID" in row.error for row in Outbox.objects.filter(sent_at=None))


@pytest.mark.parametrize("signal_type", ["SAVE", "SYNC", "DELETE"])
def test_a_row_whose_key_cannot_be_read_is_set_aside_alone(uncommitted, signal_type):
    put(cqrs_id="author", pk_text="once a text", signal_type=signal_type, revision=3)
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert sizes() == [1] and pending() == 1
    assert "once a text" in Outbox.objects.get(sent_at=None).error


def test_a_row_of_an_unknown_signal_type_is_set_aside_alone(uncommitted):
    put(cqrs_id="author", signal_type="MERGE", revision=3)
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert sizes() == [1] and pending() == 1


def test_a_claim_of_nothing_but_bad_rows_ends(uncommitted):
    for pk in range(5):
        put(cqrs_id="extinct", pk_text=str(pk))
    assert drain(uncommitted, limit=2).rows == 2 and drain_all(uncommitted) == 3


def test_a_previous_error_is_no_obstacle_to_being_sent(uncommitted):
    author = Author.objects.create(name="Ann")
    Outbox.objects.update(error="something of yesterday")
    drain_all(uncommitted)
    assert [message["instance_pk"] for message in testing.sent_messages("replica")] == [author.pk]
