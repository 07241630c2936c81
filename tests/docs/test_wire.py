"""The reference of the wire format has every task, every key of what tasks carry, and the golden files themselves."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from celery_cqrs import decode
from celery_cqrs.batch import Batch, Confirmation, RepairRequest
from celery_cqrs.message import Message
from celery_cqrs.reconcile.wire import KINDS, Answer, Order, Question
from celery_cqrs.serialize import encode_value
from celery_cqrs.transport import base
from tests.contracts.test_golden_files import GOLDEN, read

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json (\S+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
NAMES = {"UTC": UTC, "Decimal": Decimal, "UUID": UUID, "date": date, "datetime": datetime, "time": time}
SAVE, CONFIRM, REPAIR = (read(GOLDEN / "v1" / f"{name}.json") for name in ("apply_save", "confirm", "repair"))


def first_column(title: str, after: str = "") -> list[str]:
    """The names in the first column of the table with this title, behind the section ``after``."""
    section = PAGE.partition(f"## {after}")[2]
    table = section.split(f"| {title} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `(.+?)` \|", table, flags=re.MULTILINE)


def test_the_page_names_every_task_there_is():
    declared = {value for name, value in vars(base).items() if name.isupper() and isinstance(value, str)}
    assert set(first_column("task")) == declared


def test_the_page_tells_the_version_that_is_read():
    assert f'`"v": {decode.WIRE_VERSION}`' in PAGE


@pytest.mark.parametrize(
    ("title", "after", "wire"),
    [
        ("key", "`apply`", Batch.from_message(SAVE).to_dict()),
        ("key of a message", "`apply`", Message.from_message(SAVE["messages"][0]).to_dict()),
        ("key", "`confirm`", Confirmation.from_message(CONFIRM).to_dict()),
        ("key", "`repair`", RepairRequest.from_message(REPAIR).to_dict()),
        ("key of a question", "`compare`", Question("r", 1, "m", "o", "q", "c", "rows", "integer").to_dict()),
        ("key of an answer", "`compare`", Answer("r", 1, "o", "q", "rows", {}).to_dict()),
        ("key of an order", "`compare`", Order("start").to_dict()),
    ],
)
def test_the_page_has_every_key_of_what_tasks_carry_in_their_order(
    title: str, after: str, wire: dict[str, Any]
) -> None:
    assert first_column(title, after) == list(wire)


def test_the_page_has_the_keys_within_keys():
    assert all(f"`{key}`" in PAGE for wire in (CONFIRM["batches"][0], REPAIR["keys"][0]) for key in wire)
    assert all(f"`{kind}`" in PAGE for kind in KINDS)


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_the_examples_are_the_golden_files(name: str, text: str) -> None:
    assert json.loads(text) == read(GOLDEN / "v1" / name)


def test_every_kind_of_golden_file_has_an_example():
    kinds = {path.stem.split("_")[0] for path in GOLDEN.glob("v*/*.json")}
    assert {name.removesuffix(".json").split("_")[0] for name, _ in EXAMPLES} == kinds


def test_values_travel_as_the_page_says():
    rows = re.findall(
        r"^\| `(.+?)` \| `(.+?)` \|$", PAGE.split("| in Python |")[1].split("\n\n")[0], flags=re.MULTILINE
    )
    assert len(rows) > 10
    for python, wire in rows:
        assert encode_value(eval(python, {**NAMES, "timedelta": timedelta})) == json.loads(wire)
