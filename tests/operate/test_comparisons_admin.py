"""The admin page of comparisons: who may view looks, who may add one has rows compared again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from celery_cqrs import testing
from celery_cqrs.models import Reconciliation
from celery_cqrs.testing.stage import Stage
from tests.app.models import AuthorRef
from tests.reconcile.drift import create_authors

LIST = "/admin/celery_cqrs/reconciliation/"


@pytest.fixture
def compared(database: str) -> Reconciliation:
    """A comparison that has found one row."""
    stage = Stage([database])
    create_authors(3)
    stage.deliver()
    AuthorRef.objects.filter(pk=2).delete()
    (run,) = stage.reconcile("author", deep=True)
    return run


def log_in(*permissions: str) -> Client:
    """A member of the staff with these permissions on comparisons."""
    user = User.objects.create_user("person", is_staff=True)
    names = [f"{name}_reconciliation" for name in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def again(client: Client, run: Any) -> Any:
    """Choose the action for this comparison."""
    return client.post(LIST, {"action": "compare_again", "_selected_action": [run.pk]}, follow=True)


def test_the_pages_show_counts_and_keys_to_whoever_may_view(compared: Reconciliation) -> None:
    client = log_in("view")
    assert [one.pk for one in client.get(f"{LIST}?state=complete&cqrs_id=author").context["cl"].result_list] == [
        compared.pk
    ]
    assert not client.get(f"{LIST}?state=failed").context["cl"].result_list
    page = client.get(f"{LIST}{compared.pk}/change/").content.decode()
    assert "missing" in page and "&#x27;2&#x27;" in page


def test_whoever_may_only_view_begins_nothing(compared: Reconciliation) -> None:
    again(log_in("view"), compared)
    assert Reconciliation.objects.count() == 1


def test_whoever_may_add_one_has_rows_compared_again(compared: Reconciliation) -> None:
    AuthorRef.objects.filter(pk=3).update(name="edited")
    answer = again(log_in("view", "add"), compared)
    assert "1 of 1 comparisons begin" in answer.content.decode()
    testing.deliver()
    newest = Reconciliation.objects.order_by("-id").first()
    assert (newest.deep, newest.content, newest.repaired) == (True, 1, 1)
    assert AuthorRef.objects.get(pk=3).name == "author 3"
