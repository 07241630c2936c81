"""Models as projects bring them along from django-cqrs: trees, diamonds, DRF, filters of parents and children."""

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Outbox
from tests.app.masters import Account, Category, CategoryRef, Club, Diamond, SecretClub
from tests.app.models import Recipe
from tests.capture.conftest import captured, carry_to_replica, forget_captured


def sent(using):
    drain_all(using)
    return [(one["signal_type"], one["instance_data"]) for one in testing.sent_messages("replica")]


def test_a_tree_of_django_mptt_reaches_the_replica(uncommitted):
    root = Category.objects.create(name="tools")
    Category.objects.create(name="saws", parent=root)
    carry_to_replica(uncommitted)
    assert list(CategoryRef.objects.order_by("pk").values_list("name", "parent__name")) == [
        ("tools", None),
        ("saws", "tools"),
    ]


def test_a_moved_branch_of_a_tree_reaches_the_replica(uncommitted):
    first, second = Category.objects.create(name="a"), Category.objects.create(name="b")
    branch = Category.objects.create(name="c", parent=first)
    carry_to_replica(uncommitted)
    branch.move_to(second)
    branch.save()
    carry_to_replica(uncommitted)
    assert CategoryRef.objects.get(name="c").parent.name == "b"


def test_a_deleted_branch_of_a_tree_is_deleted_on_the_replica(uncommitted):
    root = Category.objects.create(name="a")
    Category.objects.create(name="b", parent=root)
    carry_to_replica(uncommitted)
    root.refresh_from_db()
    root.delete()
    carry_to_replica(uncommitted)
    assert not CategoryRef.objects.exists()


def test_the_managers_of_a_tree_are_kept(uncommitted):
    assert hasattr(Category.objects, "get_queryset_descendants") and hasattr(Category.cqrs, "bulk_update")


def test_a_diamond_is_captured_once(uncommitted):
    diamond = Diamond.objects.create(name="Koh-i-Noor", price=5)
    diamond.save()
    diamond.delete()
    assert [kind for kind, *_ in captured()] == ["SAVE", "SAVE", "DELETE"]


def test_a_diamond_has_one_revision_and_all_columns(uncommitted):
    Diamond.objects.create(name="Koh-i-Noor", price=5)
    ((_, data),) = sent(uncommitted)
    assert {"id", "name", "price", "cqrs_revision", "cqrs_updated"} == set(data)


def test_a_serializer_of_rest_framework_works_as_it_is(uncommitted):
    partner = Account.objects.create(name="Ann")
    account = Account.objects.create(name="Bea", balance="3.50", partner=partner)
    data = sent(uncommitted)[-1][1]
    del data["cqrs_updated"]
    assert data == {
        "id": account.pk,
        "name": "Bea",
        "opened": "2026-01-02",
        "balance": "3.50",
        "partner": {"id": partner.pk, "name": "Ann"},
        "cqrs_revision": 0,
    }


@pytest.mark.parametrize("rows", [1, 20])
def test_serializing_many_rows_costs_one_query_and_the_ones_it_relates(uncommitted, rows):
    Recipe.cqrs.bulk_create([Recipe(title="soup") for _ in range(rows)])
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        drain_all(uncommitted)
    read = [query["sql"] for query in queries.captured_queries if "app_" in query["sql"]]
    assert len(read) == 2 and len(testing.sent_messages("replica")) == rows


def test_an_instance_can_be_told_from_memory_or_read_anew_with_its_relations(uncommitted):
    recipe = Recipe.objects.create(title="soup")
    recipe.title = "salad"
    assert recipe.to_cqrs_dict(sync=True)["title"] == "salad"
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        assert recipe.to_cqrs_dict(using=uncommitted)["title"] == "soup"
    assert len(queries) == 2


def test_a_child_filtered_by_itself_does_not_hide_its_parent(uncommitted):
    club = SecretClub.objects.create(name="chess", password="e4")
    assert captured() == [("SAVE", "club", str(club.pk), 0)]
    assert [data["name"] for _, data in sent(uncommitted)] == ["chess"]


def test_a_parent_saved_alone_asks_the_filter_of_its_child_when_it_is_sent(uncommitted):
    SecretClub.objects.create(name="chess", password="e4")
    SecretClub.objects.create(name="golf")
    forget_captured()
    for club in Club.objects.all():
        club.save()
    drain_all(uncommitted)
    told = [(message["cqrs_id"], message["instance_data"]["name"]) for message in testing.sent_messages("replica")]
    assert sorted(told) == [("club", "chess"), ("club", "golf"), ("secret club", "golf")]
    assert not Outbox.objects.filter(sent_at=None).exists()


def test_a_filtered_child_is_deleted_unseen_and_its_parent_is_not(uncommitted):
    club = SecretClub.objects.create(name="chess", password="e4")
    forget_captured()
    club.delete()
    assert [(kind, cqrs_id) for kind, cqrs_id, *_ in captured()] == [("DELETE", "club")]


def test_a_parent_does_not_tell_what_only_its_child_tracks(uncommitted):
    club = SecretClub.objects.create(name="chess", password="e4")
    club.name, club.password = "go", ""
    club.save()
    told = {row.cqrs_id: row.previous_data for row in Outbox.objects.order_by("id")}
    assert told == {"club": {"name": "chess"}, "secret club": {"name": "chess", "password": "e4"}}
