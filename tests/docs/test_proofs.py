"""The proofs of models: every public name of the mixins and managers has a row, and every row a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from celery_cqrs.master.manager import MasterManager, MasterQuerySet
from celery_cqrs.mixins import MasterMixin, RawMasterMixin, RawReplicaMixin, ReplicaMixin
from celery_cqrs.replica.manager import ReplicaManager

ROOT = Path(__file__).resolve().parents[2]
PROOF = re.compile(r"\| `(tests/[\w/]+\.py)::(test_\w+)` \|$")
NO_DATABASE = "tests/django/test_model_refusals.py"


def rows_of(page: str) -> list[str]:
    """The rows of ``page`` that name a test."""
    text = (ROOT / "docs" / "explanation" / page).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("| ") and "::" in line]


def names_of_replicas() -> set[str]:
    """What authors of replica models may set, override or call."""
    mixins = {name for mixin in (RawReplicaMixin, ReplicaMixin) for name in vars(mixin)}
    named = {name for name in mixins if re.match(r"cqrs|should_retry|get_cqrs", name, re.I)}
    fields = {field.name for field in ReplicaMixin._meta.fields}
    return named | fields | {"objects"} | {name for name in vars(ReplicaManager) if name.endswith("_instance")}


def names_of_masters() -> set[str]:
    """What authors of master models may set, override or call."""
    owners = (RawMasterMixin, MasterMixin, MasterManager, MasterQuerySet)
    public = {name for owner in owners for name in vars(owner) if not name.startswith("_")}
    return public - {"Meta"} - {f"get_{way}_by_cqrs_updated" for way in ("next", "previous")}  # those are Django's


PAGES = {"proofs-of-masters.md": names_of_masters(), "proofs-of-replicas.md": names_of_replicas()}
NAMES = [(page, name) for page, names in PAGES.items() for name in sorted(names)]
ROWS = [row for page in PAGES for row in rows_of(page)]


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_a_public_name_of_a_model_has_a_row(page: str, name: str) -> None:
    assert any(re.search(rf"`{name}\b", row) for row in rows_of(page))


def proving(row: str) -> tuple[str, ast.FunctionDef]:
    """The text of the module that ``row`` names, and the test in it."""
    proof = PROOF.search(row)
    assert proof is not None
    source = (ROOT / proof[1]).read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    return source, functions[proof[2]]


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_the_test_that_a_row_names_exists(row: str) -> None:
    assert proving(row)


@pytest.mark.parametrize("row", [row for row in rows_of("proofs-of-masters.md") if NO_DATABASE not in row])
def test_the_proofs_of_masters_run_on_every_database(row: str) -> None:
    source, test = proving(row)
    assert "pytestmark = on_sqlite" not in source
    assert not any("on_sqlite" in ast.unparse(decorator) for decorator in test.decorator_list)
