"""The admin action of master models: the chosen rows are sent again, and the message counts them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from celery_cqrs import testing
from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author, AuthorRef, Box, Shelf

pytestmark = pytest.mark.usefixtures("database")
LABEL = "Synchronize selected authors via CQRS"


def person(*permissions: str) -> Client:
    """A member of the staff with these permissions."""
    user = User.objects.create_user("person", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def choose(client: Client, model: Any, rows: list[Any], action: str = "sync_items") -> Any:
    """Run the action on these rows; the page that follows."""
    place = f"/admin/app/{model._meta.model_name}/"
    return client.post(place, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


def said(answer: Any) -> list[str]:
    """The messages of the page."""
    return [str(message) for message in answer.context["messages"]]


@pytest.fixture
def authors(database: str) -> list[Author]:
    """Three that have arrived."""
    made = [Author.objects.create(name=name) for name in ("Ann", "Bea", "Cyd")]
    testing.deliver()
    return made


def test_the_chosen_rows_are_sent_again(authors: list[Author]) -> None:
    AuthorRef.objects.update(name="edited by hand")
    answer = choose(person("view_author", "change_author"), Author, authors[:2])
    assert [one["signal_type"] for one in testing.sent_messages("replica")] == ["SYNC", "SYNC"]
    testing.deliver()
    names = AuthorRef.objects.order_by("pk").values_list("name", flat=True)
    assert list(names) == ["Ann", "Bea", "edited by hand"]
    assert said(answer) == ["2 successfully captured; the replicas get them in a moment."]


def test_all_rows_are_captured_by_one_statement_and_travel_in_one_batch(database: str, authors: list[Author]) -> None:
    with CaptureQueriesContext(connections[database]) as queries:
        choose(person("view_author", "change_author"), Author, authors)
    inserts = [one["sql"] for one in queries if "celery_cqrs_outbox" in one["sql"] and "INSERT" in one["sql"]]
    assert len(inserts) == 1
    assert len(MemoryTransport.queues["replica"]) == 1


def test_the_action_stands_beside_those_of_the_project(authors: list[Author]) -> None:
    page = person("view_author", "change_author").get("/admin/app/author/").content.decode()
    assert LABEL in page
    assert "Shout" in page


def test_who_may_only_look_cannot_synchronize(authors: list[Author]) -> None:
    client = person("view_author")
    assert LABEL not in client.get("/admin/app/author/").content.decode()
    choose(client, Author, authors)
    assert not Outbox.objects.exists()


def test_rows_that_are_not_for_replicas_are_counted_as_failures() -> None:
    shelf = Shelf.objects.create(label="top")
    boxes = [Box.objects.create(shelf=shelf, label=label) for label in ("a", "-b", "c")]
    testing.deliver()
    answer = choose(person("view_box", "change_box"), Box, boxes)
    assert [line.split()[0] for line in said(answer)] == ["2", "1"]
    assert "is_sync_instance" in said(answer)[1]


def test_a_page_may_adjust_the_rows() -> None:
    shelf = Shelf.objects.create(label="top")
    boxes = [Box.objects.create(shelf=shelf, label=label) for label in ("a", "never")]
    testing.deliver()
    choose(person("view_box", "change_box"), Box, boxes)
    assert [one["instance_data"]["label"] for one in testing.sent_messages("replica")] == ["a"]


def test_a_row_that_fails_harms_no_neighbour(authors: list[Author], configure: Any) -> None:
    def meta(obj: Any, **_: Any) -> dict[str, Any]:
        if obj.name == "Bea":
            raise ValueError("no meta for her")
        return {}

    configure(master={"meta_function": meta})
    answer = choose(person("view_author", "change_author"), Author, authors)
    assert {one["instance_data"]["name"] for one in testing.sent_messages("replica")} == {"Ann", "Cyd"}
    assert [line.split()[0] for line in said(answer)] == ["2", "1"]
