"""The states page: every arrow of its drawings has a row, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from celery_cqrs.database import faults

ROOT = Path(__file__).resolve().parent.parent.parent
STATES = (ROOT / "docs" / "explanation" / "states.md").read_text(encoding="utf-8")
FAULTS = (ROOT / "docs" / "reference" / "database-faults.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", STATES)))


def drawings() -> list[tuple[str, str]]:
    """Each drawing with the text that follows it, up to the next one."""
    pieces = STATES.split("```")
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_beside_an_arrow_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("drawing", "text"), drawings(), ids=["outbox row", "letter", "parent"])
def test_every_arrow_of_a_drawing_has_a_row_with_a_test_and_the_reverse(drawing: str, text: str) -> None:
    drawn = {int(number) for number in re.findall(r"(?<!\w)\d+(?!\w)", drawing)}
    rows = [row for row in text.splitlines() if re.match(r"\| \d", row)]
    assert {int(row.split("|")[1]) for row in rows} == drawn
    assert len(rows) == len(drawn) == max(drawn)
    assert all("::test_" in row for row in rows)


@pytest.mark.parametrize(
    "table", [faults.POSTGRESQL, faults.MYSQL, faults.SQLITE], ids=["postgresql", "mysql", "sqlite"]
)
def test_every_code_of_a_fault_is_documented_with_its_meaning(table: dict[object, str]) -> None:
    rows = [row for row in FAULTS.splitlines() if row.startswith("| `")]
    assert {f"| `{code}` | {meaning} |" for code, meaning in table.items()} <= set(rows)


def test_no_code_is_documented_that_the_table_does_not_have() -> None:
    rows = [row for row in FAULTS.splitlines() if row.startswith("| `")]
    assert len(rows) == len(faults.POSTGRESQL) + len(faults.MYSQL) + len(faults.SQLITE)
