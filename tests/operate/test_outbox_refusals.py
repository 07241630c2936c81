"""What ``cqrs_outbox`` refuses, with a sentence and an exit code, before it has touched anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from celery_cqrs.models import Outbox
from tests.conftest import on_sqlite
from tests.operate.conftest import aside, run
from tests.outbox.conftest import put

TWO_DATABASES = [
    pytest.mark.django_db(databases=["default", "postgres", "mariadb"]),
    pytest.mark.servers("postgres", "mariadb"),
]
ACTIONS = pytest.mark.parametrize("action", [("list",), ("retry",), ("drop", "--yes")], ids=lambda action: action[0])


@on_sqlite
@ACTIONS
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--queue", "repilca"), "There is no queue 'repilca'. Known: replica."),
        (("--cqrs-id", "autor"), "There is no cqrs_id 'autor'. Known: account, animal, author, "),
        (("--database", "nowhere", "--pk", "1"), "No database 'nowhere' has an outbox. Databases that have one: "),
        (("--state", "lost"), "argument --state: invalid choice: 'lost' (choose from"),
        (("--id", "x"), "argument --id: 'x' is no id of a row."),
        (("--id", "-1"), "--id"),
        (("--id", "9" * 30), "is no id of a row."),
        (("--older-than", "-5"), "--older-than"),
        (("--older-than", "nan"), "'nan' is no number of seconds."),
        (("--older-than", "inf"), "'inf' is no number of seconds."),
        (("--older-than", "an hour"), "'an hour' is no number of seconds."),
        (("--limit", "1.5"), "argument --limit: '1.5' is no number of rows."),
        (("--limit", "-1"), "--limit"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    uncommitted: str, action: tuple[str, ...], flags: tuple[str, ...], sentence: str
) -> None:
    row = aside(1, queue="replica")
    ran = run("cqrs_outbox", *action, *flags)
    assert sentence in ran.error and ran.code == 1
    assert list(Outbox.objects.values()) == [{**Outbox.objects.values().get(), "error": row.error}]


@on_sqlite
@ACTIONS
def test_ids_that_are_not_there_are_named_and_nothing_is_done(uncommitted: str, action: tuple[str, ...]) -> None:
    row = aside(1)
    ran = run("cqrs_outbox", *action, "--id", str(row.id), "987654321", "987654320")
    assert "There is no outbox row 987654320, 987654321: it was confirmed, or never there." in ran.error
    assert ran.code == 1 and Outbox.objects.get().error == row.error


@on_sqlite
@pytest.mark.parametrize("name", ["queue", "cqrs-id"])
def test_what_only_rows_still_know_is_not_refused(uncommitted: str, name: str) -> None:
    put(1, **{name.replace("-", "_"): "given up"})
    put(2)
    assert run("cqrs_outbox", "drop", f"--{name}", "given up", "--yes").output == "1 rows dropped\n"
    assert Outbox.objects.get().pk_text == "2"


@on_sqlite
def test_a_service_without_replicas_knows_no_queue(uncommitted: str, configure: Callable[..., None]) -> None:
    configure(master={"replicas": {}})
    assert run("cqrs_outbox", "list", "--queue", "shop").error == "There is no queue 'shop'. Known: none."


@on_sqlite
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("list", "--yes"), "--yes is for drop alone."),
        (("retry", "--all"), "--all is for drop alone."),
        (("retry", "--json"), "--json is for list alone."),
        (("drop", "--json", "--all", "--yes"), "--json is for list alone."),
    ],
)
def test_a_flag_of_another_action_is_refused(uncommitted: str, flags: tuple[str, ...], sentence: str) -> None:
    assert (run("cqrs_outbox", *flags).error, run("cqrs_outbox", *flags).code) == (sentence, 1)


@on_sqlite
@pytest.mark.parametrize("flags", [(), ("--limit", "1"), ("--database", "default")])
def test_a_drop_without_a_filter_is_refused(uncommitted: str, flags: tuple[str, ...]) -> None:
    put()
    ran = run("cqrs_outbox", "drop", "--yes", *flags)
    assert "or say --all" in ran.error and ran.code == 1 and Outbox.objects.exists()


@on_sqlite
def test_a_drop_of_all_that_names_a_filter_is_refused_since_it_says_two_things(uncommitted: str) -> None:
    put()
    ran = run("cqrs_outbox", "drop", "--yes", "--all", "--queue", "replica")
    assert "without any filter" in ran.error and Outbox.objects.exists()


@on_sqlite
def test_a_drop_without_a_terminal_and_without_yes_is_refused(uncommitted: str) -> None:
    put()
    ran = run("cqrs_outbox", "drop", "--all")
    assert (ran.error, ran.code) == ("Nobody is here to be asked: add --yes to drop without a question.", 1)
    assert Outbox.objects.exists()


class TestSeveralDatabases:
    """A service with several outboxes."""

    pytestmark = TWO_DATABASES

    @ACTIONS
    def test_ids_without_a_database_are_refused_since_each_counts_its_own(self, action: tuple[str, ...]) -> None:
        row = put()
        ran = run("cqrs_outbox", *action, "--id", str(row.id))
        assert "Each database counts its own ids: add --database, one of default, postgres, mariadb." in ran.error
        assert Outbox.objects.exists()

    def test_a_named_database_is_the_only_one_that_is_touched(self) -> None:
        for alias in ("default", "postgres"):
            Outbox.objects.using(alias).bulk_create([put_on_nothing()])
        assert run("cqrs_outbox", "drop", "--yes", "--all", "--database", "postgres").output == "1 rows dropped\n"
        assert Outbox.objects.using("default").exists() and not Outbox.objects.using("postgres").exists()

    def test_without_a_name_all_are_listed_counted_and_limited_together(self) -> None:
        for alias in ("default", "postgres", "mariadb"):
            Outbox.objects.using(alias).bulk_create([put_on_nothing(), put_on_nothing()])
        lines = run("cqrs_outbox", "list", "--limit", "3").lines
        assert [line.split()[0] for line in lines] == ["default", "default", "postgres", "6"]
        assert run("cqrs_outbox", "drop", "--all", "--yes", "--limit", "3").output == "3 rows dropped\n"
        assert run("cqrs_outbox", "list").lines[-1] == "3 rows in all"


def put_on_nothing() -> Any:
    """A row that is not in a database yet."""
    row = put()
    row.delete()
    row.id = None
    return row
