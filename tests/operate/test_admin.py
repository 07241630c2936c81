"""The admin page of the outbox: who may view looks; only who may change retries, only who may delete drops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celery_cqrs.admin import pages
from celery_cqrs.models import Destination, Outbox
from tests.conftest import each_database, on_sqlite
from tests.operate.conftest import aside
from tests.outbox.conftest import put

LIST = "/admin/celery_cqrs/outbox/"
on_sqlite_and_postgres = pytest.mark.parametrize("uncommitted", each_database(commits=False)[:2], indirect=True)
LogIn = Callable[..., Client]


@pytest.fixture
def log_in(uncommitted: str) -> LogIn:
    """Logs in a member of the staff with these permissions on outbox rows, or a superuser."""

    def make(*permissions: str, superuser: bool = False) -> Client:
        user = User.objects.create_user("person", is_staff=True, is_superuser=superuser)
        names = [f"{name}_outbox" for name in permissions]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        return client

    return make


def shown(client: Client, query: str = "") -> list[int]:
    """The ids that the list shows."""
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return [row.id for row in answer.context["cl"].result_list]


def act(client: Client, action: str, *rows: Outbox, query: str = "", **more: Any) -> Any:
    """Choose an action for these rows."""
    return client.post(f"{LIST}{query}", {"action": action, "_selected_action": [row.pk for row in rows], **more})


def said(answer: Any, client: Client) -> str:
    """The message on the page that follows."""
    assert answer.status_code == 302
    return " ".join(str(message) for message in client.get(answer.url).context["messages"])


# ── looking ────────────────────────────────────────────────────────────────────────────────────────────────────────
@on_sqlite_and_postgres
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"pending", "sent", "set aside", "mail", "product", "delete", "old"}),
        ("?state=pending", {"pending", "mail", "product", "delete", "old"}),
        ("?state=sent", {"sent"}),
        ("?state=set_aside", {"set aside"}),
        ("?queue=mail", {"mail"}),
        ("?cqrs_id=product", {"product"}),
        ("?signal_type=DELETE", {"delete"}),
        ("?older_than=3600", {"old"}),
        ("?older_than=604800", set()),
        ("?q=5", {"product"}),
        ("?q=product", {"product"}),
        ("?q=STRANGE", {"set aside"}),
        ("?q=nothing+like+it", set()),
        ("?queue=nowhere", set()),
    ],
)
def test_filters_and_search_leave_what_they_name(uncommitted: str, log_in: LogIn, query: str, names: set[str]) -> None:
    rows = {
        "pending": put(1, queue="replica"),
        "sent": put(2, queue="replica", sent_at=timezone.now()),
        "set aside": aside(3, queue="replica"),
        "mail": put(4, queue="mail"),
        "product": put(5, queue="replica", cqrs_id="product"),
        "delete": put(6, queue="replica", signal_type="DELETE"),
        "old": put(7, queue="replica", seconds=-7_200),
    }
    Destination.objects.create(queue="mail")
    assert set(shown(log_in("view"), query)) == {rows[name].id for name in names}


@on_sqlite_and_postgres
def test_the_oldest_rows_come_first_on_a_page_of_fifty(uncommitted: str, log_in: LogIn) -> None:
    rows = [put(pk) for pk in range(60)]
    client = log_in("view")
    assert shown(client) == [row.id for row in rows[:50]]
    assert shown(client, "?p=2") == [row.id for row in rows[50:]]


@on_sqlite
def test_the_choices_of_filters_come_from_settings_and_never_from_the_rows(
    uncommitted: str, log_in: LogIn, configure: Callable[..., None]
) -> None:
    configure(master={"replicas": {"replica": "__all__", "mail": "__all__"}})
    Destination.objects.create(queue="given up")
    put(1, queue="only here")
    client = log_in("view")
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        page = client.get(LIST)
    assert not [one["sql"] for one in queries if "DISTINCT" in one["sql"].upper()]
    links = page.content.decode()
    assert all(f"?queue={name}" in links for name in ("replica", "mail", "given+up"))
    assert "?queue=only+here" not in links and "?cqrs_id=author" in links and "?signal_type=SYNC" in links


@on_sqlite
def test_no_more_than_a_bounded_number_of_rows_is_counted(
    uncommitted: str, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "COUNTED", 55)
    for pk in range(60):
        put(pk)
    client = log_in("view")
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        page = client.get(LIST)
    assert page.context["cl"].result_count == 55
    asked = [one["sql"] for one in queries if 'FROM "celery_cqrs_outbox"' in one["sql"]]
    assert (
        len(asked) == 2 and "LIMIT 55" in asked[0] and " IN (" in asked[1] and not any("COUNT" in one for one in asked)
    )


@on_sqlite
def test_the_page_says_which_database_it_shows(uncommitted: str, log_in: LogIn) -> None:
    assert "Outbox of database default, oldest change first" in log_in("view").get(LIST).content.decode()


@on_sqlite_and_postgres
def test_the_page_of_a_row_is_readable_and_offers_no_change(uncommitted: str, log_in: LogIn) -> None:
    row = aside(
        "<b>5</b>", error="no & never", previous_data={"name": "<Ann>"}, meta={"who": "é"}, correlation_id="c-1"
    )
    page = log_in("view").get(f"{LIST}{row.id}/change/").content.decode()
    assert "set aside" in page and "no &amp; never" in page and "c-1" in page
    assert "<pre>{\n  &quot;name&quot;: &quot;&lt;Ann&gt;&quot;\n}</pre>" in page and "é" in page
    assert "&lt;b&gt;5&lt;/b&gt;" in page and 'name="_save"' not in page and "deletelink" not in page


@on_sqlite
def test_the_page_of_a_row_that_was_confirmed_meanwhile_leads_back(uncommitted: str, log_in: LogIn) -> None:
    assert log_in("view").get(f"{LIST}4711/change/").status_code == 302


# ── who may do what ────────────────────────────────────────────────────────────────────────────────────────────────
@on_sqlite
@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        (("view",), set()),
        (("view", "change"), {"retry"}),
        (("view", "delete"), {"drop"}),
        (("view", "change", "delete"), {"retry", "drop"}),
    ],
)
def test_actions_are_offered_by_permission(
    uncommitted: str, log_in: LogIn, permissions: tuple[str, ...], actions: set[str]
) -> None:
    row = aside()
    client = log_in(*permissions)
    page = client.get(LIST).content.decode()
    assert {name for name in ("retry", "drop", "delete_selected") if f'value="{name}"' in page} == actions
    for action in {"retry", "drop", "delete_selected"} - actions:
        act(client, action, row, confirmed="yes", post="yes")
    assert Outbox.objects.get().error == row.error


@on_sqlite
def test_a_superuser_may_do_both_and_make_or_change_no_row(uncommitted: str, log_in: LogIn) -> None:
    row = put()
    client = log_in(superuser=True)
    page = client.get(LIST).content.decode()
    assert all(f'value="{name}"' in page for name in ("retry", "drop")) and 'value="delete_selected"' not in page
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{row.id}/change/", {"queue": "x"}).status_code == 403


@on_sqlite
def test_staff_without_any_permission_sees_nothing(uncommitted: str, log_in: LogIn) -> None:
    put()
    client = log_in()
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{Outbox.objects.get().id}/change/").status_code == 403


@on_sqlite
def test_somebody_who_is_not_logged_in_is_asked_to(uncommitted: str) -> None:
    assert Client().get(LIST).status_code == 302


# ── doing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@on_sqlite_and_postgres
def test_a_retry_makes_the_chosen_rows_pending_at_once(uncommitted: str, log_in: LogIn) -> None:
    rows = [aside(1), aside(2), put(3, sent_at=timezone.now())]
    client = log_in("view", "change")
    answer = act(client, "retry", rows[0], rows[2])
    assert said(answer, client) == (
        "1 rows are pending now. 1 are being sent or confirmed just now and were left alone."
    )
    assert list(Outbox.objects.order_by("id").values_list("error", flat=True)) == ["", rows[1].error, ""]


@on_sqlite_and_postgres
def test_a_drop_asks_first_and_then_deletes_the_chosen_rows(uncommitted: str, log_in: LogIn) -> None:
    rows = [put(1), put(2)]
    client = log_in("view", "delete")
    question = act(client, "drop", rows[0])
    assert question.status_code == 200 and "1 changes will be deleted unsent" in question.content.decode()
    assert "SAVE author 1 for shop" in question.content.decode() and Outbox.objects.count() == 2
    answer = act(client, "drop", rows[0], confirmed="yes")
    assert said(answer, client) == "1 rows dropped; their changes will not arrive."
    assert Outbox.objects.get().pk_text == "2"


@on_sqlite_and_postgres
def test_an_action_on_all_that_a_filter_shows_touches_no_other(uncommitted: str, log_in: LogIn) -> None:
    row, other = aside(1, queue="mail"), aside(2, queue="replica")
    client = log_in("view", "delete")
    question = act(client, "drop", row, query="?queue=mail", select_across="1")
    assert 'name="select_across" value="1"' in question.content.decode()
    act(client, "drop", row, query="?queue=mail", select_across="1", confirmed="yes")
    assert Outbox.objects.get().id == other.id


@on_sqlite
def test_an_action_on_all_takes_no_more_than_the_page_counts(
    uncommitted: str, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celery_cqrs.admin import outbox

    monkeypatch.setattr(outbox, "COUNTED", 7)
    rows = [put(pk) for pk in range(9)]
    client = log_in("view", "delete")
    act(client, "drop", rows[0], select_across="1", confirmed="yes")
    assert [row.pk_text for row in Outbox.objects.order_by("id")] == ["7", "8"]


@on_sqlite
def test_the_pages_of_letters_and_queues_open(uncommitted: str, log_in: LogIn) -> None:
    Destination.objects.create(queue="mail", failed_at=timezone.now(), failure="nobody listens")
    client = log_in(superuser=True)
    assert "nobody listens" in client.get("/admin/celery_cqrs/destination/").content.decode()
    assert client.get("/admin/celery_cqrs/letter/").status_code == 200


@on_sqlite_and_postgres
def test_a_drop_of_a_bundle_asks_about_all_its_changes(uncommitted: str, log_in: LogIn) -> None:
    bundle = put("", kind="bundle", keys=["a", "b", None], size=2)
    client = log_in("view", "delete")
    assert "2 changes will be deleted unsent" in act(client, "drop", bundle).content.decode()
    answer = act(client, "drop", bundle, confirmed="yes")
    assert said(answer, client) == "2 rows dropped; their changes will not arrive."
