"""The reference of the commands has every flag of their parsers, and every key of what they print as JSON."""

from __future__ import annotations

import re
from argparse import Action
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

from celery_cqrs.management.commands import cqrs_outbox
from celery_cqrs.status import Status

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"
SECTIONS = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", REFERENCE.read_text(), flags=re.MULTILINE | re.DOTALL))
OURS = (
    "cqrs_relay",
    "cqrs_outbox",
    "cqrs_status",
    "cqrs_bulk_dump",
    "cqrs_bulk_load",
    "cqrs_sync",
    "cqrs_consume",
    "cqrs_diff_master",
    "cqrs_diff_replica",
    "cqrs_diff_sync",
    "cqrs_deleted_diff_replica",
    "cqrs_deleted_diff_master",
    "cqrs_deleted_sync_replica",
    "cqrs_reconcile",
)


def actions(command: BaseCommand) -> list[Action]:
    """The arguments that the command declares itself."""
    inherited = {action.dest for action in BaseCommand().create_parser("manage.py", "none")._actions}
    return [one for one in command.create_parser("manage.py", "ours")._actions if one.dest not in inherited]


def documented(name: str) -> list[list[str]]:
    """The names in the rows of the section's first table; none where there is none."""
    table = SECTIONS[name].partition("\n\n| flag |")[2]
    rows = table.split("\n\n", 1)[0].splitlines()[2:]
    return [re.findall(r"`([^`]+)`", row.split(" | ")[0]) for row in rows]


@pytest.mark.parametrize("name", OURS)
def test_the_reference_lists_every_flag_in_the_order_of_the_help(name: str) -> None:
    declared = actions(load_command_class("celery_cqrs", name))
    assert documented(name) == [one.option_strings or [one.dest] for one in declared]


@pytest.mark.parametrize("name", OURS)
def test_every_flag_has_a_help(name: str) -> None:
    silent = [one.dest for one in actions(load_command_class("celery_cqrs", name)) if not (one.help or one.choices)]
    assert silent == []


def test_the_reference_lists_every_key_of_the_status() -> None:
    table = SECTIONS["cqrs_status"].split("| key of the JSON object |")[1].split("\n\n")[0]
    keys = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    assert keys == [*(one.name for one in fields(Status)), "ping_seconds", "problems"]


def test_the_reference_lists_every_key_of_a_listed_row() -> None:
    (line,) = re.findall(r"Keys of a JSON object: (.*?)\. No", SECTIONS["cqrs_outbox"], flags=re.DOTALL)
    assert set(re.findall(r"`(\w+)`", line)) == {"using", "id", "state", "pk", *cqrs_outbox.SHOWN}
