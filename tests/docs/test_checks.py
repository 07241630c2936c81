"""The reference of the checks has every check of the code, and every page that a hint names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from celery_cqrs.checks.problems import PAGES

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference" / "checks.md"
MADE = re.compile(r"\b(error|warning)\(\s*(\d+),")
ROW = re.compile(r"\| `([EW]\d{3})` \| .+ \| .+ \| (\S+) \|")


def made_in_code() -> set[str]:
    """The ids that the checks can give."""
    found = [MADE.findall(file.read_text()) for file in (ROOT / "celery_cqrs" / "checks").glob("*.py")]
    return {f"{kind[0].upper()}{int(number):03d}" for each in found for kind, number in each}


def test_every_check_of_the_code_has_a_page_and_every_page_a_check() -> None:
    assert made_in_code() == set(PAGES)


def test_the_reference_lists_every_check_with_the_page_of_its_hint() -> None:
    rows = [ROW.fullmatch(line) for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
    assert [(row[1], row[2]) for row in rows if row] == list(PAGES.items())


@pytest.mark.parametrize("code", PAGES)
def test_the_page_that_a_hint_names_tells_of_the_check(code: str) -> None:
    page = ROOT / PAGES[code]
    assert page.is_file()
    assert code in page.read_text() or page.name == "settings.md"
