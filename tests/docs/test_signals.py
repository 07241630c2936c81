"""The reference of the signals says what the code declares, and the logs hear every signal of the flow."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

from celery_cqrs import logs, signals

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference" / "signals.md"
OF_THE_SEED = {"post_bulk_create", "post_update"}


def declared() -> dict[str, str]:
    """Every signal with the text that stands below it."""
    body = ast.parse(Path(signals.__file__).read_text()).body
    pairs = [(one, text) for one, text in itertools.pairwise(body) if isinstance(one, ast.Assign)]
    return {one.targets[0].id: " ".join(text.value.value.replace("``", "`").split()) for one, text in pairs}


def test_the_reference_lists_every_signal_as_it_is_declared() -> None:
    rows = [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
    texts = {name: text.partition(" Arguments: ") for name, text in declared().items()}
    assert rows == [f"| `{name}` | {when} | {given.rstrip('.')} |" for name, (when, _, given) in texts.items()]


def test_the_logs_hear_every_signal_of_the_flow() -> None:
    assert {name for name in declared() if getattr(signals, name) not in logs.RECEIVERS} == OF_THE_SEED
