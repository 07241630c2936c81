"""``cqrs_outbox list``: what is not confirmed, narrowed down as far as one wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from celery_cqrs.columns import clean_key
from celery_cqrs.models import Outbox
from tests.conftest import on_sqlite
from tests.operate.conftest import aside, run
from tests.outbox.conftest import put

NOW = timezone.now


def listed(*flags: str) -> list[int]:
    """The ids that are listed with these flags."""
    return [json.loads(line)["id"] for line in run("cqrs_outbox", "list", "--json", *flags).lines]


@pytest.fixture
def rows() -> dict[str, Outbox]:
    """Rows that differ in one thing each."""
    return {
        "plain": put(1, queue="replica"),
        "other queue": put(2, queue="mail"),
        "other model": put(3, queue="replica", cqrs_id="product"),
        "sent": put(4, queue="replica", sent_at=NOW(), attempts=1),
        "set aside": aside(5, queue="replica", error="Déjà vu: 100 % strange_\\"),
        "old": put(6, queue="replica", seconds=-3_600),
    }


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ((), {"plain", "other queue", "other model", "sent", "set aside", "old"}),
        (("--queue", "mail"), {"other queue"}),
        (("-q", "replica", "--cqrs-id", "author"), {"plain", "sent", "set aside", "old"}),
        (("-cid", "product"), {"other model"}),
        (("--state", "pending"), {"plain", "other queue", "other model", "old"}),
        (("--state", "sent"), {"sent"}),
        (("--state", "set_aside"), {"set aside"}),
        (("--older-than", "1800"), {"old"}),
        (("--pk", "3"), {"other model"}),
        (("--pk", "nobody"), set()),
        (("--error", "STRANGE"), {"set aside"}),
        (("--error", "100 %"), {"set aside"}),
        (("--error", "strange_\\"), {"set aside"}),
        (("--error", "100%"), set()),
        (("--error", "100 % strange_x"), set()),
        (("--queue", "mail", "--state", "sent"), set()),
    ],
)
def test_each_filter_leaves_the_rows_that_it_names(
    uncommitted: str, rows: dict[str, Outbox], flags: tuple[str, ...], names: set[str]
) -> None:
    assert set(listed(*flags)) == {rows[name].id for name in names}


def test_several_ids_may_be_named_in_either_way(uncommitted: str, rows: dict[str, Outbox]) -> None:
    first, second, third = (str(rows[name].id) for name in ("plain", "sent", "old"))
    assert listed("--id", first, second, "--id", third) == [int(first), int(second), int(third)]


def test_the_key_of_another_letter_case_is_another_key(uncommitted: str) -> None:
    put("a")
    assert listed("--pk", "A") == []


def test_a_key_that_was_shortened_is_found_by_its_whole_text(uncommitted: str) -> None:
    row = put(clean_key("x" * 300))
    assert listed("--pk", "x" * 300) == [row.id]


@on_sqlite
def test_the_oldest_rows_come_first_up_to_the_limit(uncommitted: str) -> None:
    rows = [put(pk) for pk in range(5)]
    assert listed("--limit", "3") == [row.id for row in rows[:3]]
    assert listed("--limit", "0") == []


@on_sqlite
def test_a_hundred_rows_are_listed_unless_a_limit_is_given_and_all_are_counted(uncommitted: str) -> None:
    Outbox.objects.bulk_create([put_unsaved(pk) for pk in range(103)])
    ran = run("cqrs_outbox", "list")
    assert len(ran.lines) == 101 and ran.lines[-1] == "103 rows in all"
    assert len(run("cqrs_outbox", "list", "--limit", "200").lines) == 104


@on_sqlite
def test_more_rows_than_a_portion_are_listed_once_each_in_order(uncommitted: str) -> None:
    Outbox.objects.bulk_create([put_unsaved(pk) for pk in range(2_345)])
    found = listed("--limit", "2300")
    assert found == list(Outbox.objects.order_by("id").values_list("id", flat=True)[:2_300])


def put_unsaved(pk: int) -> Outbox:
    """A pending row, to be made with others."""
    facts = {"cqrs_id": "author", "signal_type": "SAVE", "captured_at": NOW(), "available_at": NOW()}
    return Outbox(pk_text=str(pk), queue="replica", **facts)


@on_sqlite
def test_a_line_tells_state_key_queue_age_and_error(uncommitted: str) -> None:
    row = aside(17, queue="replica")
    line, count = run("cqrs_outbox", "list").lines
    captured = row.captured_at.isoformat()
    assert line == (
        f"default {row.id} set_aside: SAVE author 17 for replica, captured {captured}, attempts 3, "
        "error: too strange to be sent"
    )
    assert count == "1 rows in all"


@on_sqlite
def test_a_row_with_control_characters_still_takes_one_harmless_line(uncommitted: str) -> None:
    aside("a\nb\x1b[2J", error="line one\nline two\x07 é")
    line, _ = run("cqrs_outbox", "list").lines
    assert r"author a\nb\x1b[2J for" in line and line.endswith(r"error: line one\nline two\x07 é")


@on_sqlite
def test_json_tells_the_same_and_no_value_of_the_instance(uncommitted: str) -> None:
    row = aside(5, queue="replica", revision=7, previous_data={"name": "secret"}, meta={"who": "secret"})
    ran = run("cqrs_outbox", "list", "--json")
    assert "secret" not in ran.output
    told: dict[str, Any] = json.loads(ran.output)
    assert told == {
        "using": "default",
        "id": row.id,
        "state": "set_aside",
        "queue": "replica",
        "cqrs_id": "author",
        "pk": "5",
        "signal_type": "SAVE",
        "revision": 7,
        "size": 1,
        "attempts": 3,
        "captured_at": row.captured_at.isoformat(),
        "available_at": row.available_at.isoformat(),
        "sent_at": None,
        "error": "too strange to be sent",
    }


@on_sqlite
def test_an_empty_outbox_is_an_empty_list_and_no_error(uncommitted: str) -> None:
    assert run("cqrs_outbox", "list").output == "0 rows in all\n"
    assert run("cqrs_outbox", "list", "--json").output == ""
