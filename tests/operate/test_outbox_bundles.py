"""``cqrs_outbox`` and bundles: rows that stand for many keys are shown as such, and one key can be picked out."""

from __future__ import annotations

import json

import pytest

from celery_cqrs.master import bundles
from celery_cqrs.models import Outbox
from tests.operate.conftest import run
from tests.outbox.conftest import put

KEYS = ["a", "b", 'with "quotes"', "100 %_"]


@pytest.fixture
def bundle(uncommitted: str) -> Outbox:
    """One that was sent an hour ago."""
    keys = {"kind": "bundle", "keys": KEYS, "size": len(KEYS)}
    row = put("", **keys, seconds=-3_600)
    Outbox.objects.update(sent_at=row.captured_at, attempts=1)
    return row


def test_a_bundle_is_one_line_that_says_how_many_keys_it_has(bundle: Outbox) -> None:
    first, last = run("cqrs_outbox", "list").lines
    assert f"{bundle.id} sent: SAVE author (4 keys) for shop" in first and last == "1 rows in all"
    told = json.loads(run("cqrs_outbox", "list", "--json").output)
    assert (told["pk"], told["size"]) == ("(4 keys)", 4)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_finds_the_bundle_that_holds_it(bundle: Outbox, key: str) -> None:
    put("z")
    assert run("cqrs_outbox", "list", "--pk", key).lines[-1] == "1 rows in all"


@pytest.mark.parametrize("key", ["", "A", "quotes", "100", "(4 keys)"])
def test_a_part_of_a_key_finds_none(bundle: Outbox, key: str) -> None:
    assert run("cqrs_outbox", "list", "--pk", key).lines == ["0 rows in all"]


def test_all_keys_of_a_bundle_are_sent_again_at_once(bundle: Outbox) -> None:
    assert run("cqrs_outbox", "retry", "--pk", "a").lines == ["4 rows are pending now"]
    assert Outbox.objects.get().sent_at is None


def test_to_drop_one_key_leaves_the_others(bundle: Outbox) -> None:
    assert run("cqrs_outbox", "drop", "--pk", "b", "--yes").lines == ["1 rows dropped"]
    assert sorted(Outbox.objects.values_list("kind", "pk_text")) == [
        ("sync", key) for key in sorted(KEYS) if key != "b"
    ]


def test_to_drop_a_bundle_drops_all_its_keys_and_says_how_many(bundle: Outbox, dropped: list[tuple[int, str]]) -> None:
    assert run("cqrs_outbox", "drop", "--queue", "shop", "--yes").lines == ["4 rows dropped"]
    assert not Outbox.objects.exists() and [count for count, _ in dropped] == [4]


def test_backlogs_count_keys_and_not_rows(bundle: Outbox) -> None:
    bundles.strike(Outbox.objects.all(), {bundle.id: {0}})
    told = json.loads(run("cqrs_status", "--json").output)
    assert [one["sent"] for one in told["backlogs"] if one["queue"] == "shop"] == [3]
