"""Hands edit replicas behind everybody's back in a running system; one command finds and mends all of it."""

from __future__ import annotations

from typing import Any

from tests.end_to_end.system import SECONDS, System

EDITS = """
UPDATE shop_subdivision SET title = 'edited by hand' WHERE iso_code = 'IS-1';
DELETE FROM shop_subdivision WHERE iso_code = 'DE-1';
UPDATE shop_subdivision SET cqrs_revision = cqrs_revision - 1, title = 'old' WHERE iso_code = 'FR-1'
"""


def reconcile(system: System, *flags: str) -> tuple[int, str]:
    """The exit code of the command and what it wrote."""
    system.commands.mark()
    command: Any = system.start_process("atlas", "manage.py", "cqrs_reconcile", "--queue", "shop", *flags)
    return command.wait(2 * SECONDS), " ".join(system.commands.news().split())


def test_a_replica_edited_by_hand_is_mended_by_one_command(system: System) -> None:
    system.execute("shop", EDITS)
    code, said = reconcile(system, "--deep", "--dry-run")
    assert code == 1 and "3 rows still differ." in said
    code, said = reconcile(system, "--deep")
    assert code == 0, said
    system.converge()
    code, said = reconcile(system, "--deep", "--dry-run")
    assert code == 0, said
