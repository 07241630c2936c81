"""The how-tos of filling a replica are executed: their commands do what the pages show."""

from __future__ import annotations

import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from celery_cqrs.models import Outbox
from tests.app.models import AuthorRef
from tests.conftest import on_sqlite
from tests.transfer.dumps import make_authors

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"
pytestmark = on_sqlite


def shown(page: str) -> list[tuple[list[str], list[str]]]:
    """Each command of the page with the lines that it prints at the end."""
    blocks = re.findall(
        r"^( *)```\n\1\$ manage\.py (.*?)```", (HOWTO / page).read_text(), flags=re.DOTALL | re.MULTILINE
    )
    lines = [[line.strip() for line in block.splitlines() if line.strip()] for _, block in blocks]
    return [(shlex.split(first), [one for one in rest if " to go" not in one]) for first, *rest in lines]


def run(arguments: list[str]) -> list[str]:
    said = StringIO()
    call_command(*arguments, stdout=said, stderr=said)
    return said.getvalue().splitlines()


def test_the_dump_and_the_load_print_what_the_page_shows(uncommitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_authors(3)
    commands = shown("dump-and-load.md")
    assert [arguments[0] for arguments, _ in commands] == ["cqrs_bulk_dump", "cqrs_bulk_load"]
    for arguments, printed in commands:
        assert run(arguments) == printed
    assert AuthorRef.objects.count() == 3


def test_a_new_replica_is_filled_by_the_command_of_the_page(uncommitted, configure):
    configure(master={"replicas": {"shop": "__all__", "search": ["author"]}})
    make_authors(3)
    ((arguments, printed),) = shown("add-a-replica.md")
    assert run(arguments) == printed
    assert set(Outbox.objects.values_list("queue", "direct")) == {("search", True)}


@pytest.mark.parametrize("page", ["dump-and-load.md", "add-a-replica.md"])
def test_the_pages_name_no_flag_that_the_commands_do_not_have(uncommitted, page):
    reference = (HOWTO.parent / "reference" / "commands.md").read_text()
    flags = set(re.findall(r"(--[a-z][a-z-]+)", (HOWTO / page).read_text()))
    assert {flag for flag in flags if f"`{flag}`" not in reference} <= {"--cqrs-id"}
