"""The proofs of replica models: every public name of the mixin has a row, and every row a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from celery_cqrs.mixins import RawReplicaMixin, ReplicaMixin
from celery_cqrs.replica.manager import ReplicaManager

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "explanation" / "proofs-of-replicas.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "::" in line
]
PROOF = re.compile(r"\| `(tests/[\w/]+\.py)::(test_\w+)` \|$")


def public_names() -> set[str]:
    """What model authors may set, override or call."""
    mixins = {name for mixin in (RawReplicaMixin, ReplicaMixin) for name in vars(mixin)}
    fields = {field.name for field in ReplicaMixin._meta.fields}
    return (
        {name for name in mixins if re.match(r"cqrs|should_retry|get_cqrs", name, re.I)}
        | fields
        | {"objects"}
        | methods()
    )


def methods() -> set[str]:
    """Of the manager, as django-cqrs has them."""
    return {name for name in vars(ReplicaManager) if name.endswith("_instance")}


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_public_name_of_replica_models_has_a_row(name: str) -> None:
    assert any(re.search(rf"`{name}\b", row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_the_test_that_a_row_names_exists(row: str) -> None:
    proof = PROOF.search(row)
    assert proof is not None
    tree = ast.parse((ROOT / proof[1]).read_text(encoding="utf-8"))
    assert proof[2] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
