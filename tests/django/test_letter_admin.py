"""The page of letters in the admin: looked at by permission, quick with many, replayed and purged by permission."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from celery_cqrs.models import Letter
from tests.app.models import AuthorRef
from tests.conftest import on_sqlite
from tests.receive.wire import deliver, message
from tests.settle import replicas
from tests.settle.replicas import Failing

LIST = "admin:celery_cqrs_letter_changelist"
pytestmark = on_sqlite


@pytest.fixture(autouse=True)
def fresh_policies(configure: Any, uncommitted: str) -> Iterator[None]:
    """Letters are dead at once."""
    configure(replica={"CQRS_MAX_RETRIES": 0})
    replicas.reset()
    yield
    replicas.reset()


@pytest.fixture
def signed_in(client: Client) -> Any:
    """Signs somebody in who has these permissions of letters."""

    def sign_in(*permissions: str) -> Client:
        user = User.objects.create_user("somebody", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=[f"{one}_letter" for one in permissions]))
        client.force_login(user)
        return client

    return sign_in


def failing(pk: int, **data: Any) -> dict[str, Any]:
    return message("failing", pk, name="secret", **data)


def dead(*pks: int) -> None:
    deliver(*(failing(pk) for pk in pks))


def choose(action: str, *pks: int, **more: str) -> dict[str, Any]:
    """The form that a person sends who has chosen these letters."""
    ids = list(Letter.objects.filter(pk_text__in=pks).values_list("pk", flat=True))
    return {"action": action, ACTION_CHECKBOX_NAME: ids, **more}


def texts(page: Any) -> list[str]:
    return [str(one) for one in page.context["messages"]]


def shown(page: Any) -> list[str]:
    """The keys of the letters in a list."""
    return sorted(letter.pk_text for letter in page.context["cl"].result_list)


def test_the_list_shows_why_and_when_but_no_payload(signed_in: Any) -> None:
    dead(1)
    page = signed_in("view").get(reverse(LIST))
    assert "not today" in page.content.decode()
    assert "secret" not in page.content.decode()


def test_the_page_of_a_letter_shows_its_message_readably(signed_in: Any) -> None:
    dead(1)
    address = reverse("admin:celery_cqrs_letter_change", args=[Letter.objects.get().pk])
    page = signed_in("view").get(address).content.decode()
    assert "&quot;instance_data&quot;: {\n    &quot;id&quot;: 1,\n" in page


def test_a_payload_that_is_markup_is_shown_as_text(signed_in: Any) -> None:
    deliver(failing(1, title="<script>"))
    address = reverse("admin:celery_cqrs_letter_change", args=[Letter.objects.get().pk])
    assert "<script>&quot;" not in signed_in("view").get(address).content.decode()


def test_nobody_adds_or_edits_a_letter(signed_in: Any) -> None:
    dead(1)
    client = signed_in("view", "add", "change")
    assert client.get(reverse("admin:celery_cqrs_letter_add")).status_code == 403
    address = reverse("admin:celery_cqrs_letter_change", args=[Letter.objects.get().pk])
    assert client.post(address, {"reason": "mine"}).status_code == 403


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["1", "2", "3"]),
        ({"state": "retrying"}, ["2"]),
        ({"cqrs_id": "failing"}, ["1", "2"]),
        ({"cqrs_id": "(no model)"}, ["3"]),
        ({"signal_type": "SAVE"}, ["1", "2", "3"]),
        ({"signal_type": "DELETE"}, []),
        ({"q": "2"}, ["2"]),
        ({"q": "UNICORN"}, ["3"]),
        ({"q": "Not Today"}, ["1", "2"]),
    ],
)
def test_letters_are_found_by_state_model_kind_key_and_reason(
    signed_in: Any, query: dict[str, str], expected: list[str]
) -> None:
    deliver(failing(1), failing(2), message("unicorn", 3))
    Letter.objects.filter(pk_text="2").update(state=Letter.RETRYING)
    assert shown(signed_in("view").get(reverse(LIST), query)) == expected


def test_no_filter_asks_for_the_distinct_values_of_a_column(signed_in: Any) -> None:
    dead(1, 2)
    client = signed_in("view", "delete", "replay")
    with CaptureQueriesContext(connection) as done:
        client.get(reverse(LIST), {"q": "today"})
    assert done.captured_queries
    assert not [query for query in done if "DISTINCT" in query["sql"]]
    assert not [query for query in done if '"payload"' in query["sql"]]


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        (["view"], set()),
        (["view", "replay"], {"replay"}),
        (["view", "delete"], {"purge"}),
        (["view", "replay", "delete"], {"replay", "purge"}),
    ],
)
def test_actions_are_offered_by_permission(signed_in: Any, permissions: list[str], actions: set[str]) -> None:
    dead(1)
    form = signed_in(*permissions).get(reverse(LIST)).context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices} - {""} if form else set()
    assert offered == actions


@pytest.mark.parametrize("action", ["replay", "purge"])
def test_an_action_without_permission_does_nothing(signed_in: Any, action: str) -> None:
    dead(1)
    Failing.broken = False
    signed_in("view", "change").post(reverse(LIST), choose(action, 1, confirmed="yes"))
    assert Letter.objects.get().state == Letter.DEAD


def test_replaying_applies_what_was_mended(signed_in: Any) -> None:
    dead(1, 2)
    Failing.broken = False
    page = signed_in("view", "replay").post(reverse(LIST), choose("replay", 1), follow=True)
    assert texts(page) == ["1 letters are due now."]
    assert AuthorRef.objects.get().pk == 1
    assert Letter.objects.get().pk_text == "2"


def test_replaying_within_a_filter_counts_what_the_filter_no_longer_finds(signed_in: Any) -> None:
    dead(1, 2)
    Failing.broken = False
    address = f"{reverse(LIST)}?state=dead"
    page = signed_in("view", "replay").post(address, choose("replay", 1, select_across="1"), follow=True)
    assert texts(page) == ["2 letters are due now."]
    assert AuthorRef.objects.count() == 2


def test_what_cannot_be_replayed_is_named_with_the_reason_and_stays(signed_in: Any) -> None:
    deliver(*({"cqrs_id": "failing", "instance_pk": pk} for pk in range(1, 6)))
    page = signed_in("view", "replay").post(reverse(LIST), choose("replay", *range(1, 6)), follow=True)
    assert texts(page)[0] == "0 letters are due now."
    assert all("cannot be retried. The message is refused: " in text for text in texts(page)[1:4])
    assert texts(page)[4] == "2 more letters cannot be retried."
    assert Letter.objects.filter(state=Letter.DEAD).count() == 5


def test_purging_asks_first_and_says_how_many(signed_in: Any) -> None:
    dead(1, 2)
    client = signed_in("view", "delete")
    page = client.post(reverse(LIST), choose("purge", 1))
    assert "1 letters will be deleted" in page.content.decode()
    assert Letter.objects.count() == 2
    page = client.post(reverse(LIST), choose("purge", 1, confirmed="yes"), follow=True)
    assert texts(page) == ["1 letters purged."]
    assert Letter.objects.get().pk_text == "2"


def test_purging_all_that_a_filter_finds_leaves_the_others(signed_in: Any) -> None:
    dead(1, 2)
    deliver(message("unicorn", 3))
    Letter.objects.filter(pk_text="2").update(state=Letter.RETRYING)
    address = f"{reverse(LIST)}?state=retrying"
    client = signed_in("view", "delete")
    page = client.post(address, choose("purge", 2, select_across="1"))
    assert 'name="select_across" value="1"' in page.content.decode()
    client.post(address, choose("purge", 2, select_across="1", confirmed="yes"))
    assert set(Letter.objects.values_list("pk_text", flat=True)) == {"1", "3"}
