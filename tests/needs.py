"""What a test cannot do without: missing, it skips on a laptop and fails in CI, with the sentence that says what."""

from __future__ import annotations

import os

import pytest

from tests.harness.servers import OwnServer, missing
from tests.services import Server


def require(server: Server) -> None:
    """Give up on the test if ``server`` does not answer: quietly on a laptop, loudly in CI."""
    if server.answers:
        return
    give_up(server.complaint)


def require_program(server: type[OwnServer]) -> None:
    """The same for a server that the test itself starts."""
    if complaint := missing(server):
        give_up(complaint)


def give_up(complaint: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(complaint, pytrace=False)
    pytest.skip(complaint)
