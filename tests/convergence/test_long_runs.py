"""A short selection of ``make convergence``, and the proof that it would find a replica without its safeguards."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.convergence.run import SETTINGS, Plan, run
from tests.settings import ROOT


@pytest.mark.timeout(600)
def test_in_a_storm_every_replica_becomes_what_its_master_is(database: str, configure: Any) -> None:
    configure(**SETTINGS)
    result = run(Plan.on(database, seed=1, deliveries=5_000))
    print(result)
    assert result.wrongs == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mutation", "complaint"), [("no-guard", "went back from revision"), ("no-tombstones", "and was deleted at")]
)
def test_a_replica_without_its_safeguard_is_found_out_on_both_paths(mutation: str, complaint: str) -> None:
    command = [sys.executable, "-m", "tests.convergence", "--database", "sqlite", "--seed", "1"]
    command += ["--deliveries", "1000", "--mutation", mutation]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout, done.stderr)
    complaints = [line for line in done.stdout.splitlines() if complaint in line]
    assert done.returncode == 1
    assert {"by hooks" in line for line in complaints} == {True, False}
