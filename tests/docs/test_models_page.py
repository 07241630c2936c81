"""The reference of models names everything that a model author can set, call or override."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

from celery_cqrs.mixins import MasterMixin, ReplicaMixin

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "models.md").read_text()
MASTER, _, REPLICA = PAGE.partition("## Replica models")


def public_names(mixin: Any) -> set[str]:
    """What the mixin adds to Django's models."""
    added = {name for owner in mixin.__mro__ for name in vars(owner) if owner.__module__.startswith("celery_cqrs")}
    ours = {name for name in added if name.startswith("CQRS_") or "cqrs" in name or name not in dir(Model)}
    return {name for name in ours if not name.startswith(("_", "get_next_by", "get_previous_by")) and name != "Meta"}


@pytest.mark.parametrize(
    ("name", "section"),
    [(name, MASTER) for name in sorted(public_names(MasterMixin))]
    + [(name, REPLICA) for name in sorted(public_names(ReplicaMixin))],
)
def test_the_page_names_everything_that_a_model_author_can_use(name: str, section: str) -> None:
    assert f"`{name}`" in section or f"`{name}(" in section or f"`{name}," in section
