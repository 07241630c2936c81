"""The settings reference says what the code declares, and every documented setting is read by the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from celery_cqrs import conf

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "docs" / "reference" / "settings.md"
PACKAGE = ROOT / "celery_cqrs"
DECLARED = [(path, name) for path, section in conf.SECTIONS.items() for name in section.declared()]


def documented_rows() -> list[str]:
    """The rows of the tables in the reference."""
    return [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]


def row_of(path: str, name: str) -> str:
    """The row that a setting should have."""
    setting = conf.SECTIONS[path].declared()[name]
    dotted = f"{path}.{name}" if path else name
    return f"| `{dotted}` | `{setting.default!r}` | {setting.meaning} |"


def test_the_reference_lists_every_setting_as_it_is_declared() -> None:
    assert documented_rows() == [row_of(path, name) for path, name in DECLARED]


@pytest.mark.parametrize(("path", "name"), DECLARED)
def test_every_setting_that_is_declared_is_read(path: str, name: str) -> None:
    used = re.compile(rf"\b{path or 'service'}\.{name}\b")
    assert any(used.search(file.read_text()) for file in PACKAGE.rglob("*.py"))
